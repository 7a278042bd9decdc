/// \file  What a function may ask of Dapr, as the manifest writes it.
#pragma once

#include "app/manifest.h"
#include "app/manifest_section.h"

namespace trilby::app {

/// Reads [function.NAME.allow.dapr].
void read_dapr_grants(Section& section, policy::DaprGrants& grants);

/// Notes grants that could not be used, once all has been read: of functions that an app without a sidecar calls.
void check_dapr_grants(const Manifest& manifest, Problems& problems);

/// "publish broker/orders; state store/order-* (read-only)". Empty: nothing.
[[nodiscard]] std::string describe(const policy::DaprGrants& grants);

}  // namespace trilby::app
