#include "app/wiring_routes.h"

#include <algorithm>
#include <set>
#include <utility>

#include "app/wiring.h"
#include "invoke/admission.h"
#include "triggers/files.h"

namespace trilby::app {
namespace {

std::string label_of(const Route& route) {
  return route.method.empty() ? route.path : route.method + " " + route.path;
}

/// Makes targets of one manifest's routes.
struct TargetMaker {
  const Manifest& manifest;
  const SystemLabels& labels;
  const FindFunction& find_function;
  const Route& route;
  const std::shared_ptr<invoke::Admission>& admission;  // of the app

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
    const auto at = std::find_if(manifest.functions.begin(), manifest.functions.end(),
                                 [&](const Function& known) { return known.name == target.function; });
    if (at == manifest.functions.end()) {
      return fail(Reason::Manifest, "function = \"{}\" is not defined", target.function);
    }
    const auto label = labels.functions[static_cast<std::size_t>(at - manifest.functions.begin())];
    return triggers::FunctionTarget{find_function(at->name), at->policy.limits.request_body, label, admission};
  }
};

/// \return null when its functions cannot run more calls at once than the app may
std::shared_ptr<invoke::Admission> make_admission(const Manifest& manifest, const App& app) {
  std::set<std::string_view> called;
  for (const Route& route : app.routes) {
    if (const auto* target = std::get_if<FunctionTarget>(&route.target)) {
      called.insert(target->function);
    }
  }
  std::uint64_t at_once = 0;
  for (const Function& function : manifest.functions) {
    at_once += called.contains(function.name) ? function.policy.limits.concurrency : 0;
  }
  return at_once <= app.limits.concurrency ? nullptr
                                           : std::make_shared<invoke::Admission>(invoke::Admission::Limits{
                                                 app.limits.concurrency, app.limits.queue, app.limits.queue_wait});
}

}  // namespace

SystemLabels make_labels(const Manifest& manifest) {
  SystemLabels made;
  for (const App& app : manifest.apps) {
    AppLabels& labels = made.apps.emplace_back();
    labels.unmatched = made.labels.add_route(app.id, "");
    for (const Route& route : app.routes) {
      labels.routes.push_back(made.labels.add_route(app.id, label_of(route)));
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
    const auto admission = make_admission(manifest, app);
    std::vector<triggers::Route> routes;
    for (std::size_t j = 0; j < app.routes.size(); ++j) {
      const Route& route = app.routes[j];
      auto target = std::visit(TargetMaker{manifest, labels, find_function, route, admission}, route.target);
      if (!target) {
        return fail(located(manifest, route.source, std::move(target).error()));
      }
      routes.push_back(
          {route.method, route.path, route.headers, route.cors, std::move(*target), labels.apps[i].routes[j]});
    }
    made.push_back({app.id, labels.apps[i].unmatched, std::make_shared<const triggers::RouteTable>(std::move(routes))});
  }
  return made;
}

}  // namespace trilby::app
