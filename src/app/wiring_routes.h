/// \file  From the manifest to labels, route tables and triggers.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/manifest.h"
#include "base/result.h"
#include "dapr/sidecar/settings.h"
#include "invoke/invoker.h"
#include "observe/metrics.h"
#include "triggers/app_channel.h"
#include "triggers/route_table.h"

namespace trilby::app {

/// Where an app's counts go.
struct AppLabels {
  std::size_t unmatched = 0;
  std::vector<std::size_t> routes;  ///< these and the next, in the order of the manifest
  std::vector<std::size_t> topics;
  std::vector<std::size_t> bindings;
  std::vector<std::size_t> jobs;
  std::vector<std::size_t> configurations;
  std::vector<std::size_t> actors;
  std::size_t dapr = 0;  ///< what Dapr asks about the app itself
  /// Of its listeners in observe::Labels::tls_listeners(), where they speak TLS.
  std::optional<std::size_t> tls_channel;
  std::optional<std::size_t> tls_public;
};

struct SystemLabels {
  observe::Labels labels;
  std::vector<AppLabels> apps;         ///< in the order of the manifest
  std::vector<std::size_t> functions;  ///< in the order of the manifest
};

[[nodiscard]] SystemLabels make_labels(const Manifest& manifest);

/// Whether its events are counted, and given up when they fail too often.
[[nodiscard]] bool gives_up(const App& app, const TopicTrigger& trigger);

/// What a loop needs to know of an app. Immutable; shared by all loops.
struct AppRoutes {
  std::string app;
  std::size_t unmatched_label = 0;
  std::shared_ptr<const triggers::RouteTable> table;
  std::shared_ptr<const triggers::AppTriggers> triggers;
  std::shared_ptr<const dapr::sidecar::Settings> sidecar;  ///< null: the app has none
  Protocol protocol = Protocol::Http;                      ///< of its app channel
};

/// Gives the loaded function of a name.
using FindFunction = std::function<std::shared_ptr<const invoke::Function>(std::string_view)>;

/// Makes targets of the functions that one app's routes and triggers name. Ownership: refers to what it is made of.
class FunctionTargets {
 public:
  FunctionTargets(const Manifest& manifest, const App& app, const SystemLabels& labels,
                  const FindFunction& find_function);
  /// \param outputs  of the route or trigger that calls it
  /// \return Reason::Manifest when there is no such function
  [[nodiscard]] Result<triggers::FunctionTarget> target(std::string_view name,
                                                        const std::vector<Output>& outputs) const;

 private:
  const Manifest& manifest_;
  const App& app_;
  const SystemLabels& labels_;
  const FindFunction& find_function_;
  const std::shared_ptr<invoke::Admission> admission_;  // of the app
};

/// Opens what the routes serve. \return Reason::Manifest, with the line of the route, when a file or folder is missing
/// or does not go with its path
[[nodiscard]] Result<std::vector<AppRoutes>> make_routes(const Manifest& manifest, const SystemLabels& labels,
                                                         const FindFunction& find_function);

/// Gives each app its sidecar, where it has one. \param token  what they want to see (DAPR_API_TOKEN)
void add_sidecars(const Manifest& manifest, const std::string& token, std::vector<AppRoutes>& apps);

}  // namespace trilby::app
