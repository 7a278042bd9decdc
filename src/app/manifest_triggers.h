/// \file  What calls functions beside requests, as the manifest writes it: topics, input bindings, jobs, configuration,
/// actors.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "app/manifest.h"
#include "app/manifest_route.h"
#include "app/manifest_section.h"

namespace trilby::app {

/// Reads `health`, [[app.ID.topic]], [[app.ID.binding]], [[app.ID.job]], [[app.ID.configuration]] and [[app.ID.actor]]
/// into `app`, whose routes have been read. Two things that would answer at one path of the app channel become
/// problems.
void read_triggers(Section& section, const DefinedNames& names, App& app);

/// The functions that an app's triggers name. Ownership: refers to `app`.
[[nodiscard]] std::set<std::string_view> triggered_functions(const App& app);

/// Notes functions that set variables which events set, once all of the manifest has been read.
void check_trigger_variables(const Manifest& manifest, Problems& problems);

/// "topic pubsub/orders (event.type == \"x\")", "binding cron", "job nightly", "configuration store/key",
/// "actor Counter"
[[nodiscard]] std::string describe(const TopicTrigger& trigger);
[[nodiscard]] std::string describe(const BindingTrigger& trigger);
[[nodiscard]] std::string describe(const JobTrigger& trigger);
[[nodiscard]] std::string describe(const ConfigurationTrigger& trigger);
[[nodiscard]] std::string describe(const ActorTrigger& trigger);

}  // namespace trilby::app
