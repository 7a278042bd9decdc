#include "app/wiring_routes.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "app/manifest_selection.h"
#include "app/manifest_triggers.h"
#include "app/wiring.h"
#include "app/wiring_outputs.h"
#include "app/wiring_triggers.h"
#include "invoke/admission.h"
#include "triggers/files.h"

namespace trilby::app {
namespace {

std::string label_of(const Route& route) {
  return route.method.empty() ? route.path : route.method + " " + route.path;
}

/// Without its `match`, which may be long.
std::string label_of(const TopicTrigger& trigger) {
  return fmt::format("topic {}/{}", trigger.pubsub, trigger.topic);
}

template <typename Trigger>
std::string label_of(const Trigger& trigger) {
  return describe(trigger);
}

/// Makes targets of one manifest's routes.
struct TargetMaker {
  const FunctionTargets& functions;
  const Route& route;

  Result<triggers::RouteTarget> operator()(const FilesTarget& files) const {
    TRILBY_ASSIGN(auto site, triggers::FileSite::open(files.root));
    const bool prefix = route.path.ends_with("/*");
    if (site->is_folder() != prefix) {
      return fail(Reason::Manifest, "files = \"{}\" is a {}, so path = \"{}\" must {} in \"/*\"", files.root.string(),
                  prefix ? "file" : "folder", route.path, prefix ? "not end" : "end");
    }
    return triggers::FilesTarget{std::move(site)};
  }
  Result<triggers::RouteTarget> operator()(const TextTarget& text) const { return triggers::TextTarget{text.text}; }
  Result<triggers::RouteTarget> operator()(const InvokeTarget& invoke) const {
    return triggers::InvokeTarget{invoke.app, invoke.path};
  }
  Result<triggers::RouteTarget> operator()(const FunctionTarget& target) const {
    return functions.target(target.function, route.outputs);
  }
};

/// \return null when its functions cannot run more calls at once than the app may
std::shared_ptr<invoke::Admission> make_admission(const Manifest& manifest, const App& app) {
  const auto called = called_functions(app);
  std::uint64_t at_once = 0;
  for (const Function& function : manifest.functions) {
    at_once += called.contains(function.name) ? function.policy.limits.concurrency : 0;
  }
  return at_once <= app.limits.concurrency ? nullptr
                                           : std::make_shared<invoke::Admission>(invoke::Admission::Limits{
                                                 app.limits.concurrency, app.limits.queue, app.limits.queue_wait});
}

template <typename Triggers>
std::vector<std::size_t> add_labels(observe::Labels& labels, const App& app, const Triggers& triggers) {
  std::vector<std::size_t> made;
  std::transform(triggers.begin(), triggers.end(), std::back_inserter(made),
                 [&](const auto& trigger) { return labels.add_route(app.id, label_of(trigger)); });
  return made;
}

}  // namespace

FunctionTargets::FunctionTargets(const Manifest& manifest, const App& app, const SystemLabels& labels,
                                 const FindFunction& find_function)
    : manifest_(manifest),
      app_(app),
      labels_(labels),
      find_function_(find_function),
      admission_(make_admission(manifest, app)) {}

Result<triggers::FunctionTarget> FunctionTargets::target(std::string_view name,
                                                         const std::vector<Output>& outputs) const {
  const auto at = std::find_if(manifest_.functions.begin(), manifest_.functions.end(),
                               [&](const Function& known) { return known.name == name; });
  if (at == manifest_.functions.end()) {
    return fail(Reason::Manifest, "function = \"{}\" is not defined", name);
  }
  const auto label = labels_.functions[static_cast<std::size_t>(at - manifest_.functions.begin())];
  return triggers::FunctionTarget{find_function_(at->name), at->policy.limits.request_body, label, admission_,
                                  make_outputs(labels_.labels, app_.id, outputs)};
}

bool gives_up(const App& app, const TopicTrigger& trigger) {
  return app.sidecar && !app.sidecar->retry_store.empty() && !trigger.is_raw();
}

SystemLabels make_labels(const Manifest& manifest) {
  SystemLabels made;
  for (const App& app : manifest.apps) {
    AppLabels& labels = made.apps.emplace_back();
    labels.unmatched = made.labels.add_route(app.id, "");
    for (const Route& route : app.routes) {
      labels.routes.push_back(made.labels.add_route(app.id, label_of(route)));
    }
    labels.topics = add_labels(made.labels, app, app.topics);
    for (std::size_t i = 0; i < app.topics.size(); ++i) {
      if (gives_up(app, app.topics[i])) {
        made.labels.set_gives_up(labels.topics[i]);
      }
    }
    labels.bindings = add_labels(made.labels, app, app.bindings);
    labels.jobs = add_labels(made.labels, app, app.jobs);
    labels.configurations = add_labels(made.labels, app, app.configurations);
    labels.actors = add_labels(made.labels, app, app.actors);
    labels.dapr = made.labels.add_route(app.id, "dapr");
    add_output_labels(made.labels, app);
    if (has_tls(app.protocol)) {
      labels.tls_channel = made.labels.add_tls_listener(app.id, "channel");
    }
    if (app.tls && app.public_address) {
      labels.tls_public = made.labels.add_tls_listener(app.id, "public");
    }
  }
  for (const Function& function : manifest.functions) {
    made.functions.push_back(made.labels.add_function(function.name));
  }
  return made;
}

Result<std::vector<AppRoutes>> make_routes(const Manifest& manifest, const SystemLabels& labels,
                                           const FindFunction& find_function) {
  std::vector<AppRoutes> made;
  for (std::size_t i = 0; i < manifest.apps.size(); ++i) {
    const App& app = manifest.apps[i];
    const FunctionTargets functions(manifest, app, labels, find_function);
    std::vector<triggers::Route> routes;
    for (std::size_t j = 0; j < app.routes.size(); ++j) {
      const Route& route = app.routes[j];
      auto target = std::visit(TargetMaker{functions, route}, route.target);
      if (!target) {
        return fail(located(manifest, route.source, std::move(target).error()));
      }
      routes.push_back(
          {route.method, route.path, route.headers, route.cors, std::move(*target), labels.apps[i].routes[j]});
    }
    TRILBY_ASSIGN(auto triggers, make_triggers(manifest, app, labels.apps[i], functions));
    made.push_back({app.id, labels.apps[i].unmatched, std::make_shared<const triggers::RouteTable>(std::move(routes)),
                    std::move(triggers), nullptr, app.protocol});
  }
  return made;
}

void add_sidecars(const Manifest& manifest, const std::string& token, std::vector<AppRoutes>& apps) {
  for (std::size_t i = 0; i < apps.size(); ++i) {
    const std::optional<Sidecar>& sidecar = manifest.apps[i].sidecar;
    const auto address = sidecar ? net::Address::parse("127.0.0.1", sidecar->http) : std::nullopt;
    if (address) {
      apps[i].sidecar = std::make_shared<const dapr::sidecar::Settings>(
          dapr::sidecar::Settings{*address, token, sidecar->timeout, sidecar->max_body});
    }
  }
}

}  // namespace trilby::app
