/// \file  From the manifest to what becomes of what functions returned.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "app/manifest.h"
#include "observe/metrics.h"
#include "triggers/output.h"

namespace trilby::app {

/// Adds a label for each output of the app.
void add_output_labels(observe::Labels& labels, const App& app);

/// \param labels  with those of the app
/// \return null for none
[[nodiscard]] std::shared_ptr<const triggers::OutputList> make_outputs(const observe::Labels& labels,
                                                                       std::string_view app_id,
                                                                       const std::vector<Output>& outputs);

}  // namespace trilby::app
