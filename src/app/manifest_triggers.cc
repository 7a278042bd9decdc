#include "app/manifest_triggers.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "app/manifest_outputs.h"
#include "base/json_reader.h"
#include "base/name_part.h"
#include "base/text.h"
#include "policy/dapr_grants.h"
#include "policy/job_schedule.h"

namespace trilby::app {
namespace {

constexpr std::size_t kMaxTriggers = 200;  // of one kind, in one app
constexpr std::size_t kMaxNameBytes = 256;
constexpr std::size_t kMaxMatchBytes = 4096;
constexpr std::size_t kMaxMetadata = 32;
// Names and values, which may be three times as long in a query.
constexpr std::size_t kMostConfigurationMetadata = 512;
constexpr std::size_t kMaxJobBytes = 4096;  // of a job's data
constexpr std::int64_t kMostMessages = 1000;
constexpr std::int64_t kMostRetries = 1000;
constexpr Duration kLeastWait = std::chrono::milliseconds(1);
constexpr Duration kMostWait = std::chrono::minutes(1);
constexpr std::string_view kOwnPaths = "/dapr/";
constexpr std::string_view kDaprsOwnActors = "dapr.internal.";
constexpr Duration kLeastIdle = std::chrono::seconds(1);
constexpr Duration kMostIdle = std::chrono::hours(24);
constexpr Duration kMostDrain = std::chrono::minutes(1);
constexpr std::int64_t kMostReentrancy = 256;

/// A name of something of Dapr's. \return empty after a problem
std::string read_name(Section& section, std::string_view field, std::string_view hint) {
  const std::string* name = section.required_text(field, hint);
  if (name == nullptr) {
    return {};
  }
  if (name->size() > kMaxNameBytes || has_control_characters(*name)) {
    section.problem(field, fmt::format("has at most {} bytes and no control characters", kMaxNameBytes));
    return {};
  }
  return *name;
}

std::string read_function(Section& section, const DefinedNames& names) {
  const std::string* function = section.required_text("function", R"(give what is called, as in function = "hello")");
  if (function == nullptr) {
    return {};
  }
  check_defined(section, "function", "function", *function, names.functions);
  return *function;
}

void read_action(Section& section, std::string_view field, bool& drop) {
  const std::string* action = section.text(field);
  if (action == nullptr) {
    return;
  }
  drop = *action == "drop";
  if (!drop && *action != "retry") {
    section.problem(field, fmt::format("\"{}\" is none of \"retry\" and \"drop\"{}", *action,
                                       suggestion(*action, {"retry", "drop"})));
  }
}

FailureActions read_actions(Section& section) {
  FailureActions actions;
  read_action(section, "on_bad_input", actions.drop_bad_input);
  read_action(section, "on_failure", actions.drop_failure);
  return actions;
}

/// A path of one request, with nothing that could be written in two ways. \return what is wrong; empty when nothing is
std::string_view exact_path_defect(std::string_view path) {
  if (const std::string_view defect = path_defect(path); !defect.empty()) {
    return defect;
  }
  return path.find_first_of("*%") == std::string_view::npos ? "" : "must not contain '*' or '%'";
}

/// A path that the manifest may choose.
std::string read_path(Section& section, std::string_view field, std::string usual) {
  const std::string* path = section.text(field);
  if (path == nullptr) {
    return usual;
  }
  if (const std::string_view defect = exact_path_defect(*path); !defect.empty()) {
    section.problem(field, fmt::format("\"{}\" {}", *path, defect));
  } else if (path->starts_with(kOwnPaths)) {
    section.problem(field, fmt::format("\"{}\" begins with {}, which is the app channel's own", *path, kOwnPaths));
  }
  return *path;
}

void read_bulk(Section& section, TopicTrigger& trigger) {
  auto table = section.table("bulk");
  if (!table) {
    return;
  }
  TopicTrigger::Bulk bulk;
  bulk.max_messages =
      static_cast<std::uint32_t>(table->integer("max_messages", 1, kMostMessages).value_or(bulk.max_messages));
  bulk.max_wait = table->duration("max_wait", kLeastWait, kMostWait).value_or(bulk.max_wait);
  table->finish();
  trigger.bulk = bulk;
}

std::map<std::string, std::string> read_texts_of(Section& section) {
  std::map<std::string, std::string> texts;
  if (auto metadata = section.table("metadata", kMaxMetadata)) {
    for (const DocumentNode& member : metadata->members()) {
      if (const std::string* value = metadata->text(member.key)) {
        texts.emplace(member.key, *value);
      }
    }
  }
  return texts;
}

void read_metadata(Section& section, TopicTrigger& trigger) {
  trigger.metadata = read_texts_of(section);
  constexpr const char* kRaw = "rawPayload";
  const auto raw = section.flag("raw");
  if (raw && trigger.metadata.contains(kRaw)) {
    section.problem("raw", "is said in metadata too: take one of them out");
  } else if (raw.value_or(false)) {
    trigger.metadata.emplace(kRaw, "true");
  }
}

/// What a trigger publishes must not come back to it.
void check_circle(const Section& section, const TopicTrigger& trigger) {
  for (const Output& output : trigger.outputs) {
    const auto* publish = std::get_if<PublishOutput>(&output.what);
    if (trigger.match.empty() && publish != nullptr && publish->pubsub == trigger.pubsub &&
        publish->topic == trigger.topic) {
      section.problem("output",
                      "publishes to the trigger's own topic, which would go round for ever; give the trigger "
                      "a match that its own events do not meet");
    }
  }
}

TopicTrigger read_topic(Section& section, const DefinedNames& names, const App& app) {
  TopicTrigger trigger;
  trigger.source.line = section.line();
  trigger.pubsub = read_name(section, "pubsub", R"(give the pub/sub component, as in pubsub = "pubsub")");
  trigger.topic = read_name(section, "topic", R"(give the topic, as in topic = "orders")");
  trigger.function = read_function(section, names);
  trigger.path = read_path(section, "path",
                           fmt::format("/dapr/topic/{}/{}/{}", name_part(trigger.pubsub), name_part(trigger.topic),
                                       name_part(trigger.function)));
  if (const std::string* match = section.text("match")) {
    trigger.match = *match;
    if (match->empty() || match->size() > kMaxMatchBytes) {
      section.problem("match", fmt::format("has 1 to {} bytes; without it every event matches", kMaxMatchBytes));
    }
  }
  if (section.has("dead_letter")) {
    trigger.dead_letter = read_name(section, "dead_letter", "give a topic");
    if (trigger.dead_letter == trigger.topic && !trigger.topic.empty()) {
      section.problem("dead_letter", "is the topic itself, which would bring what fails for ever");
    }
  }
  read_bulk(section, trigger);
  read_metadata(section, trigger);
  trigger.actions = read_actions(section);
  if (const auto most = section.integer("max_retries", 1, kMostRetries)) {
    trigger.max_retries = static_cast<std::uint32_t>(*most);
    if (!app.sidecar || app.sidecar->retry_store.empty()) {
      section.problem("max_retries",
                      fmt::format("needs a store in which it is counted; name one, as in [app.{}] sidecar = "
                                  "{{ retry_store = \"statestore\" }}",
                                  app.id));
    } else if (trigger.is_raw()) {
      section.problem("max_retries", "cannot be counted for what is raw: it has another id each time it is brought");
    }
  }
  trigger.outputs = read_outputs(section, Caller::Topic, names, app);
  check_circle(section, trigger);
  section.finish();
  return trigger;
}

/// What two triggers of one topic say must go together.
void check_subscription(const Section& section, const std::vector<TopicTrigger>& earlier, const TopicTrigger& trigger) {
  const TopicTrigger* first = nullptr;
  for (const TopicTrigger& other : earlier) {
    if (other.pubsub != trigger.pubsub || other.topic != trigger.topic) {
      continue;
    }
    first = first == nullptr ? &other : first;
    if (other.match.empty()) {
      section.problem(fmt::format("is never reached: the one on line {} has no match and takes all events of the topic",
                                  other.source.line));
      return;
    }
  }
  if (first == nullptr) {
    return;
  }
  for (const std::string_view field : {"dead_letter", "bulk", "metadata", "raw"}) {
    if (section.has(field)) {
      section.problem(field, fmt::format("belongs to the subscription: say it where the topic comes first, on line {}",
                                         first->source.line));
    }
  }
}

std::map<std::string, std::string> read_configuration_metadata(Section& section,
                                                               const std::vector<ConfigurationTrigger>& before,
                                                               const std::string& store) {
  std::map<std::string, std::string> metadata = read_texts_of(section);
  std::size_t size = 0;
  for (const auto& [name, value] : metadata) {
    size += name.size() + value.size();
    if (name.empty() || has_control_characters(name) || has_control_characters(value)) {
      section.problem("metadata", "needs names, and has room for printable texts alone");
      break;
    }
  }
  if (size > kMostConfigurationMetadata) {
    section.problem("metadata", fmt::format("is longer than {} bytes, which the head of a request has room for",
                                            kMostConfigurationMetadata));
  }
  const auto first =
      std::find_if(before.begin(), before.end(), [&](const auto& known) { return known.store == store; });
  if (first != before.end() && section.has("metadata")) {
    section.problem("metadata",
                    fmt::format("belongs to the store: say it where that comes first, on line {}", first->source.line));
  }
  return metadata;
}

void read_schedule(Section& section, JobTrigger& trigger) {
  const std::string* schedule = section.text("schedule");
  const std::string* data = section.text("data");
  if (schedule != nullptr) {
    trigger.schedule = *schedule;
    if (const std::string_view defect = policy::schedule_defect(*schedule); !defect.empty()) {
      section.problem("schedule", fmt::format("\"{}\" {}", *schedule, defect));
    }
    if (!trigger.name.empty() && !policy::is_dapr_name(trigger.name)) {
      section.problem("name", "has 1 to 128 letters, digits and '-._' where Trilby schedules the job");
    }
  }
  if (data == nullptr) {
    return;
  }
  trigger.data = *data;
  const auto value = parse_json(*data);
  if (!value || data->size() > kMaxJobBytes || !is_same_json(*value, *value)) {
    section.problem("data", value ? fmt::format("has at most {} bytes, no list or object nested deeper than {} and no "
                                                "number that a double cannot hold",
                                                kMaxJobBytes, kMaxComparedDepth)
                                  : fmt::format("is no JSON: {}", value.error().message));
  } else if (schedule == nullptr) {
    section.problem("data", "is given to the scheduler with a schedule, and there is none");
  }
}

void read_reentrancy(Section& section, ActorTrigger& trigger) {
  constexpr std::uint32_t kUsualDepth = 32;  // Dapr's own
  if (auto table = section.table("reentrancy")) {
    trigger.reentrancy =
        static_cast<std::uint32_t>(table->integer("max_depth", 1, kMostReentrancy).value_or(kUsualDepth));
    table->finish();
  }
}

ActorTrigger read_actor(Section& section, const DefinedNames& names, const App& app) {
  ActorTrigger trigger;
  trigger.source.line = section.line();
  if (const std::string* type = section.required_text("type", R"(give the actors' type, as in type = "Counter")")) {
    trigger.type = *type;
    if (!policy::is_dapr_name(*type)) {
      section.problem("type", "has 1 to 128 letters, digits and '-._'");
    } else if (type->starts_with(kDaprsOwnActors)) {
      section.problem("type", fmt::format("begins with {}, which is Dapr's own", kDaprsOwnActors));
    }
  }
  trigger.path = "/actors/" + trigger.type;
  trigger.function = read_function(section, names);
  trigger.idle_timeout = section.duration("idle_timeout", kLeastIdle, kMostIdle);
  trigger.drain_timeout = section.duration("drain_timeout", kLeastWait, kMostDrain);
  read_reentrancy(section, trigger);
  trigger.on_deactivate = section.flag("on_deactivate").value_or(false);
  trigger.actions = read_actions(section);
  trigger.outputs = read_outputs(section, Caller::Actor, names, app);
  section.finish();
  if (is_grpc(app.protocol)) {
    section.problem(
        fmt::format("needs [app.{}] protocol = \"http\": over gRPC, Dapr calls no actors on an app's port", app.id));
  }
  return trigger;
}

/// Who answers at which path of the app channel.
class Paths {
 public:
  void take(const Section& section, std::string_view field, const std::string& path, std::string_view method,
            const std::vector<Route>& routes) {
    if (path.ends_with('/') || path.find("//") != std::string::npos) {
      return;  // something of it is missing, which was said before
    }
    if (!taken_.insert(path).second) {
      return section.problem(field, fmt::format("something else of this app answers at {} already", path));
    }
    const auto route = std::find_if(routes.begin(), routes.end(), [&](const Route& known) {
      return known.path == path && (known.method.empty() || known.method == method);
    });
    if (route != routes.end()) {
      section.problem(field, fmt::format("answers at {}, as does the route on line {}; give one of them another path",
                                         path, route->source.line));
    }
  }

 private:
  std::set<std::string, std::less<>> taken_;
};

bool is_said_by_events(std::string_view variable) {
  return variable.starts_with("CE_") || variable.starts_with("DAPR_");
}

}  // namespace

void read_triggers(Section& section, const DefinedNames& names, App& app) {
  Paths paths;
  app.health = read_path(section, "health", app.health);
  paths.take(section, "health", app.health, "GET", app.routes);
  for (Section& one : section.listed_tables("topic", kMaxTriggers)) {
    TopicTrigger trigger = read_topic(one, names, app);
    check_subscription(one, app.topics, trigger);
    paths.take(one, "path", trigger.path, "POST", app.routes);
    app.topics.push_back(std::move(trigger));
  }
  for (Section& one : section.listed_tables("binding", kMaxTriggers)) {
    BindingTrigger trigger;
    trigger.source.line = one.line();
    trigger.name = read_name(one, "name", R"(give the binding component, as in name = "cron")");
    trigger.path = read_path(one, "path", "/" + trigger.name);
    if (const auto defect = exact_path_defect(trigger.path);
        !one.has("path") && !trigger.name.empty() && !defect.empty()) {
      one.problem("name",
                  fmt::format("the path \"{}\" {}; give the component metadata `route`, and the same here as path",
                              trigger.path, defect));
    }
    trigger.function = read_function(one, names);
    trigger.actions = read_actions(one);
    trigger.outputs = read_outputs(one, Caller::Binding, names, app);
    one.finish();
    paths.take(one, one.has("path") ? "path" : "name", trigger.path, "POST", app.routes);
    if (is_grpc(app.protocol) && std::any_of(app.bindings.begin(), app.bindings.end(),
                                             [&](const auto& known) { return known.name == trigger.name; })) {
      one.problem("name", "another binding has it already, and over gRPC Dapr says nothing but the name");
    }
    app.bindings.push_back(std::move(trigger));
  }
  for (Section& one : section.listed_tables("job", kMaxTriggers)) {
    JobTrigger trigger;
    trigger.source.line = one.line();
    trigger.name = read_name(one, "name", R"(give the job's name, as in name = "nightly")");
    if (trigger.name.find_first_of("/\\#?") != std::string::npos || trigger.name == "." || trigger.name == "..") {
      one.problem("name", R"(a job's name has no '/', '\', '#' and '?', and is not "." or "..")");
    }
    read_schedule(one, trigger);
    trigger.path = "/job/" + trigger.name;
    trigger.function = read_function(one, names);
    trigger.actions = read_actions(one);
    trigger.outputs = read_outputs(one, Caller::Job, names, app);
    one.finish();
    paths.take(one, "name", trigger.path, "POST", app.routes);
    app.jobs.push_back(std::move(trigger));
  }
  for (Section& one : section.listed_tables("configuration", kMaxTriggers)) {
    ConfigurationTrigger trigger;
    trigger.source.line = one.line();
    trigger.store = read_name(one, "store", R"(give the configuration store, as in store = "config")");
    if (one.has("key")) {
      trigger.key = read_name(one, "key", "leave it out for every key");
    }
    trigger.metadata = read_configuration_metadata(one, app.configurations, trigger.store);
    trigger.path = fmt::format("/configuration/{}/{}", trigger.store, trigger.key.empty() ? "*" : trigger.key);
    if (const auto defect = exact_path_defect("/" + trigger.key); !trigger.key.empty() && !defect.empty()) {
      one.problem("key", fmt::format("\"{}\" {}", trigger.key, defect));
    }
    trigger.function = read_function(one, names);
    trigger.outputs = read_outputs(one, Caller::Configuration, names, app);
    one.finish();
    paths.take(one, one.has("key") ? "key" : "store", trigger.path, "POST", app.routes);
    app.configurations.push_back(std::move(trigger));
  }
  for (Section& one : section.listed_tables("actor", kMaxTriggers)) {
    ActorTrigger trigger = read_actor(one, names, app);
    if (!trigger.type.empty() && std::any_of(app.actors.begin(), app.actors.end(),
                                             [&](const auto& known) { return known.type == trigger.type; })) {
      one.problem("type", "another function of this app is called for it already");
    }
    app.actors.push_back(std::move(trigger));
  }
}

std::set<std::string_view> triggered_functions(const App& app) {
  std::set<std::string_view> called;
  const auto add = [&](const auto& triggers) {
    for (const auto& trigger : triggers) {
      called.insert(trigger.function);
    }
  };
  add(app.topics);
  add(app.bindings);
  add(app.jobs);
  add(app.configurations);
  add(app.actors);
  return called;
}

void check_trigger_variables(const Manifest& manifest, Problems& problems) {
  std::set<std::string_view> called;
  for (const App& app : manifest.apps) {
    called.merge(triggered_functions(app));
  }
  for (const Function& function : manifest.functions) {
    if (!called.contains(function.name)) {
      continue;
    }
    const auto check = [&](std::string_view variable, std::string_view field) {
      if (is_said_by_events(variable)) {
        problems.add(function.source.line, fmt::format("function.{}", function.name),
                     fmt::format("the variable {} of {} has a name that events use (CE_*, DAPR_*); give it another",
                                 variable, field));
      }
    };
    for (const auto& [variable, value] : function.variables) {
      check(variable, "env");
    }
    for (const std::string& variable : function.policy.grants.variables) {
      check(variable, "allow.env");
    }
    for (const std::string& secret : function.policy.grants.secrets) {
      check(policy::secret_variable(secret), "allow.secrets");
    }
  }
}

std::string describe(const TopicTrigger& trigger) {
  return fmt::format("topic {}/{}{}", trigger.pubsub, trigger.topic,
                     trigger.match.empty() ? "" : fmt::format(" ({})", trigger.match));
}

std::string describe(const BindingTrigger& trigger) {
  return "binding " + trigger.name;
}

std::string describe(const JobTrigger& trigger) {
  return "job " + trigger.name;
}

std::string describe(const ConfigurationTrigger& trigger) {
  return fmt::format("configuration {}/{}", trigger.store, trigger.key.empty() ? "*" : trigger.key);
}

std::string describe(const ActorTrigger& trigger) {
  return "actor " + trigger.type;
}

}  // namespace trilby::app
