#include "app/manifest_outputs.h"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/ranges.h>

#include "base/text.h"
#include "base/text_template.h"

namespace trilby::app {
namespace {

constexpr std::size_t kMaxOutputs = 8;
constexpr std::size_t kMaxNameBytes = 256;
constexpr std::size_t kMaxMetadata = 32;

/// The kinds, by the field that says which one it is.
constexpr std::array<std::string_view, 4> kKinds = {"publish", "state", "binding", "invoke"};

/// What the events of a caller say, for whoever names something else.
std::string_view known_names(Caller caller) {
  switch (caller) {
    case Caller::Route:
      return "REQUEST_ID";
    case Caller::Topic:
      return "CE_ and the name of an attribute, REQUEST_ID";
    case Caller::Binding:
      return "DAPR_BINDING, DAPR_METADATA_ and a name of its metadata, REQUEST_ID";
    case Caller::Job:
      return "DAPR_JOB, REQUEST_ID";
    case Caller::Configuration:
      return "DAPR_CONFIGURATION_STORE, DAPR_CONFIGURATION_KEY, DAPR_CONFIGURATION_VERSION, REQUEST_ID";
    case Caller::Actor:
      return "DAPR_ACTOR_TYPE, DAPR_ACTOR_ID, REQUEST_ID";
  }
  return "";
}

bool is_said(Caller caller, std::string_view name) {
  const auto begins = [&](std::string_view prefix) { return name.starts_with(prefix) && name.size() > prefix.size(); };
  if (name == kRequestId) {
    return true;
  }
  switch (caller) {
    case Caller::Route:
      return false;
    case Caller::Topic:
      return begins("CE_");
    case Caller::Binding:
      return name == "DAPR_BINDING" || begins("DAPR_METADATA_");
    case Caller::Job:
      return name == "DAPR_JOB";
    case Caller::Configuration:
      return name == "DAPR_CONFIGURATION_STORE" || name == "DAPR_CONFIGURATION_KEY" ||
             name == "DAPR_CONFIGURATION_VERSION";
    case Caller::Actor:
      return name == "DAPR_ACTOR_TYPE" || name == "DAPR_ACTOR_ID";
  }
  return false;
}

/// \return what keeps `name` from being one of a component, an operation or a topic; empty when nothing does
std::string_view name_defect(std::string_view name) {
  return name.empty()                   ? "is empty"
         : name.size() > kMaxNameBytes  ? "has more than 256 bytes"
         : has_control_characters(name) ? "has control characters"
                                        : "";
}

/// Reads one output.
class OutputReader {
 public:
  OutputReader(Section& section, Caller caller, const DefinedNames& names, const App& app)
      : section_(section), caller_(caller), names_(names), app_(app) {}

  std::optional<Output> read() {
    Output output;
    output.source.line = section_.line();
    std::vector<std::string_view> given;
    std::copy_if(kKinds.begin(), kKinds.end(), std::back_inserter(given),
                 [&](std::string_view kind) { return section_.has(kind); });
    if (given.empty()) {
      for (const std::string_view kind : kKinds) {
        (void)section_.text(kind);  // so that they are known, and something like them is told from them
      }
      section_.finish();
      section_.problem(fmt::format("leads nowhere; give it one of: {}", fmt::join(kKinds, ", ")));
      return std::nullopt;
    }
    for (const std::string_view kind : given) {
      read(kind, output);
    }
    if (given.size() > 1) {
      section_.problem(given[1],
                       fmt::format("is one output too many; make an [[output]] of each: {}", fmt::join(given, ", ")));
    }
    section_.finish();
    return output;
  }

 private:
  void read(std::string_view kind, Output& output) {
    const std::string* text = section_.text(kind);
    const std::string where = text == nullptr ? "" : *text;
    if (text != nullptr && text->empty()) {
      section_.problem(kind, "is empty");
    }
    if (kind == "publish") {
      output.what = read_publish(where);
    } else if (kind == "state") {
      output.what = read_state(where);
    } else if (kind == "binding") {
      output.what = read_binding(where);
    } else {
      output.what = read_invoke(where);
      return;  // which needs a sidecar only for apps that are elsewhere
    }
    if (!app_.sidecar) {
      section_.problem(kind, fmt::format("needs the app's sidecar; say where it is, as in [app.{}] sidecar = {{ http = "
                                         "3500 }}",
                                         app_.id));
    }
  }

  void check_name(std::string_view field, std::string_view name) const {
    if (const std::string_view defect = name_defect(name); !name.empty() && !defect.empty()) {
      section_.problem(field, fmt::format("\"{}\" {}", name, defect));
    }
  }

  PublishOutput read_publish(const std::string& text) {
    const std::size_t slash = std::min(text.find('/'), text.size());
    PublishOutput output{text.substr(0, slash), text.substr(std::min(slash + 1, text.size())), false, {}, {}};
    if (!text.empty() && (output.pubsub.empty() || output.topic.empty())) {
      section_.problem("publish", fmt::format("\"{}\" is not PUBSUB/TOPIC, as in \"pubsub/orders\"", text));
    } else if (!text.empty()) {
      check_name("publish", text);
      if (const std::string_view defect = path_defect("/" + output.topic);
          defect.find("segment") != std::string::npos || defect.find("//") != std::string::npos) {
        section_.problem("publish", fmt::format("its topic \"{}\" {}", output.topic, defect));
      }
    }
    output.raw = section_.flag("raw").value_or(false);
    output.attributes = read_texts("attributes");
    output.metadata = read_texts("metadata");
    if (output.raw && !output.attributes.empty()) {
      section_.problem("attributes", "are of a CloudEvent, and raw = true makes none");
    }
    return output;
  }

  StateOutput read_state(const std::string& text) {
    check_name("state", text);
    StateOutput output{text, {}, {}};
    if (const std::string* key =
            section_.required_text("key", R"(give what to save under, as in key = "order-{CE_ID}")")) {
      output.key = *key;
      check_template("key", *key);
      if (key->find("||") != std::string::npos) {
        section_.problem("key", "must not contain \"||\", with which Dapr separates the app-id from a key");
      }
    }
    output.metadata = read_texts("metadata");
    return output;
  }

  BindingOutput read_binding(const std::string& text) {
    check_name("binding", text);
    BindingOutput output{text, {}, {}};
    if (const std::string* operation =
            section_.required_text("operation", R"(give what the component is to do, as in operation = "create")")) {
      output.operation = *operation;
      check_name("operation", *operation);
    }
    output.metadata = read_texts("metadata");
    return output;
  }

  InvokeTarget read_invoke(const std::string& text) {
    return text.empty() ? InvokeTarget{} : read_invoke_target(section_, text, names_, app_);
  }

  void check_template(std::string_view field, std::string_view text) const { check_template(section_, field, text); }
  void check_template(const Section& section, std::string_view field, std::string_view text) const {
    const auto parsed = TextTemplate::parse(text);
    if (!parsed) {
      return section.problem(field, parsed.error().message);
    }
    for (const std::string& name : parsed->names()) {
      if (!is_said(caller_, name)) {
        section.problem(field, fmt::format("nothing says {{{}}} here; known are: {}", name, known_names(caller_)));
      }
    }
  }

  std::map<std::string, std::string> read_texts(std::string_view field) {
    std::map<std::string, std::string> texts;
    auto table = section_.table(field, kMaxMetadata);
    if (!table) {
      return texts;
    }
    for (const DocumentNode& member : table->members()) {
      if (const std::string* value = table->text(member.key)) {
        check_template(*table, member.key, *value);
        texts.emplace(member.key, *value);
      }
      if (const std::string_view defect = name_defect(member.key); !defect.empty()) {
        table->problem(member.key, fmt::format("as a name {}", defect));
      }
    }
    return texts;
  }

  Section& section_;
  const Caller caller_;
  const DefinedNames& names_;
  const App& app_;
};

}  // namespace

std::vector<Output> read_outputs(Section& section, Caller caller, const DefinedNames& names, const App& app) {
  std::vector<Output> outputs;
  for (Section& one : section.listed_tables("output", kMaxOutputs)) {
    if (auto output = OutputReader(one, caller, names, app).read()) {
      outputs.push_back(std::move(*output));
    }
  }
  return outputs;
}

std::string_view kind_of(const Output& output) {
  return kKinds.at(output.what.index());
}

std::string target_of(const Output& output) {
  struct Words {
    std::string operator()(const PublishOutput& publish) const {
      return fmt::format("{}/{}", publish.pubsub, publish.topic);
    }
    std::string operator()(const StateOutput& state) const { return state.store; }
    std::string operator()(const BindingOutput& binding) const { return binding.binding; }
    std::string operator()(const InvokeTarget& invoke) const { return invoke.app + invoke.path; }
  };
  return std::visit(Words{}, output.what);
}

std::string describe(const std::vector<Output>& outputs) {
  std::string out;
  for (const Output& output : outputs) {
    out += fmt::format("{}{} {}", out.empty() ? " => " : ", ", kind_of(output), target_of(output));
  }
  return out;
}

}  // namespace trilby::app
