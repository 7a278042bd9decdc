#include "app/manifest_selection.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "app/manifest_section.h"
#include "app/manifest_triggers.h"

namespace trilby::app {

std::set<std::string_view> called_functions(const App& app) {
  std::set<std::string_view> called = triggered_functions(app);
  for (const Route& route : app.routes) {
    if (const auto* target = std::get_if<FunctionTarget>(&route.target)) {
      called.insert(target->function);
    }
  }
  return called;
}

Result<void> keep_only(Manifest& manifest, std::string_view app_id) {
  const auto at =
      std::find_if(manifest.apps.begin(), manifest.apps.end(), [&](const App& app) { return app.id == app_id; });
  if (at == manifest.apps.end()) {
    std::vector<std::string_view> known;
    std::transform(manifest.apps.begin(), manifest.apps.end(), std::back_inserter(known),
                   [](const App& app) { return std::string_view(app.id); });
    return fail(Reason::BadRequest, "there is no app \"{}\" in {}{}", app_id, manifest.path.string(),
                suggestion(app_id, known));
  }
  std::vector<App> kept;
  kept.push_back(std::move(*at));
  manifest.apps = std::move(kept);
  std::optional<Sidecar>& sidecar = manifest.apps.front().sidecar;
  sidecar = sidecar.value_or(Sidecar{});

  const auto called = called_functions(manifest.apps.front());
  std::erase_if(manifest.functions, [&](const Function& function) { return !called.contains(function.name); });
  std::set<std::string_view> models;
  std::set<std::string_view> secrets;
  for (const Function& function : manifest.functions) {
    models.insert(function.policy.grants.models.begin(), function.policy.grants.models.end());
    secrets.insert(function.policy.grants.secrets.begin(), function.policy.grants.secrets.end());
  }
  std::erase_if(manifest.models, [&](const Model& model) { return !models.contains(model.name); });
  std::erase_if(manifest.secrets, [&](const Secret& secret) { return !secrets.contains(secret.name); });
  return {};
}

Result<void> set_protocol(Manifest& manifest, Protocol protocol) {
  App& app = manifest.apps.front();
  if (has_tls(protocol) && !app.tls) {
    return fail(Reason::Manifest, "app.{}: APP_PROTOCOL is {}, which {}\ntry: {} in [app.{}]", app.id,
                kProtocols[static_cast<std::size_t>(protocol)], kNeedsCertificate, kTlsExample, app.id);
  }
  if (is_grpc(protocol)) {
    if (!app.actors.empty()) {
      return fail(Reason::Manifest,
                  "app.{}.actor: over gRPC (APP_PROTOCOL), Dapr calls no actors on an app's port; try: dapr run "
                  "--app-protocol h2c",
                  app.id);
    }
    std::set<std::string_view> names;
    for (const BindingTrigger& binding : app.bindings) {
      if (!names.insert(binding.name).second) {
        return fail(Reason::Manifest,
                    "app.{}.binding: two have the name \"{}\", and over gRPC (APP_PROTOCOL) Dapr says nothing but that",
                    app.id, binding.name);
      }
    }
  }
  app.protocol = protocol;
  manifest.origins[fmt::format("app.{}.protocol", app.id)] = {Origin::Environment, {}};
  return {};
}

}  // namespace trilby::app
