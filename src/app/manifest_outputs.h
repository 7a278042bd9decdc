/// \file  What becomes of what a function returned, as the manifest writes it: `output` of a route or a trigger.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "app/manifest.h"
#include "app/manifest_route.h"
#include "app/manifest_section.h"

namespace trilby::app {

/// What calls the function, and so what its event can say.
enum class Caller : std::uint8_t { Route, Topic, Binding, Job, Configuration, Actor };

/// Reads the list `output` of a route or trigger of `app`, whose sidecar has been read.
[[nodiscard]] std::vector<Output> read_outputs(Section& section, Caller caller, const DefinedNames& names,
                                               const App& app);

/// "publish", "state", "binding", "invoke"
[[nodiscard]] std::string_view kind_of(const Output& output);
/// "broker/priced", "orders", "mail", "billing/api/bill"
[[nodiscard]] std::string target_of(const Output& output);
/// " => publish broker/priced, state orders"; empty for none
[[nodiscard]] std::string describe(const std::vector<Output>& outputs);

}  // namespace trilby::app
