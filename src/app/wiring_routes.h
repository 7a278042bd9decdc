/// \file  From the manifest to labels and route tables.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/manifest.h"
#include "base/result.h"
#include "invoke/invoker.h"
#include "observe/metrics.h"
#include "triggers/route_table.h"

namespace trilby::app {

/// Where an app's counts go.
struct AppLabels {
  std::size_t unmatched = 0;
  std::vector<std::size_t> routes;  ///< in the order of the manifest
};

struct SystemLabels {
  observe::Labels labels;
  std::vector<AppLabels> apps;         ///< in the order of the manifest
  std::vector<std::size_t> functions;  ///< in the order of the manifest
};

[[nodiscard]] SystemLabels make_labels(const Manifest& manifest);

/// What a loop needs to know of an app. Immutable; shared by all loops.
struct AppRoutes {
  std::string app;
  std::size_t unmatched_label = 0;
  std::shared_ptr<const triggers::RouteTable> table;
};

/// Gives the loaded function of a name.
using FindFunction = std::function<std::shared_ptr<const invoke::Function>(std::string_view)>;

/// Opens what the routes serve. \return Reason::Manifest, with the line of the route, when a file or folder is missing
/// or does not go with its path
[[nodiscard]] Result<std::vector<AppRoutes>> make_routes(const Manifest& manifest, const SystemLabels& labels,
                                                         const FindFunction& find_function);

}  // namespace trilby::app
