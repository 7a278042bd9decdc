/// \file  From the manifest to what Dapr may bring an app.
#pragma once

#include <memory>

#include "app/manifest.h"
#include "app/wiring_routes.h"
#include "base/result.h"
#include "triggers/app_channel.h"

namespace trilby::app {

/// \return Reason::Manifest, with the line of the trigger, when something that it names is not there
[[nodiscard]] Result<std::shared_ptr<const triggers::AppTriggers>> make_triggers(const Manifest& manifest,
                                                                                 const App& app,
                                                                                 const AppLabels& labels,
                                                                                 const FunctionTargets& functions);

}  // namespace trilby::app
