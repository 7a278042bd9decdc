/// \file  An app's sidecar: where it is, as the manifest says and as Dapr says in the environment of an app; and what
/// it is told when it asks.
#pragma once

#include <string>
#include <vector>

#include "app/manifest.h"
#include "app/manifest_addresses.h"
#include "app/manifest_section.h"
#include "base/result.h"

namespace trilby::app {

/// Reads `sidecar` of [app.ID] into `app`.
void read_sidecar(Section& section, App& app);

/// All that a sidecar asks its app when it starts, and never again: topics, input bindings, types of actors. Two apps
/// that answer the same give the same text, in whichever order the manifest has it.
[[nodiscard]] std::string told_at_start(const App& app);

/// Sidecars that cannot be where they are said to be.
[[nodiscard]] std::vector<AddressClash> sidecar_clashes(const Manifest& manifest);

/// What `dapr run` and the injector tell an app of its sidecar. Empty: not said.
struct SidecarEnvironment {
  std::string app_id;         ///< APP_ID
  std::string http_port;      ///< DAPR_HTTP_PORT
  std::string http_endpoint;  ///< DAPR_HTTP_ENDPOINT; wins over the port, as in Dapr's SDKs

  static SidecarEnvironment of_process();
};

/// Puts what the environment says in the place of the manifest's. It is about one app: the one that APP_ID names, or
/// the only one; and about that only when the manifest gives it a sidecar. Otherwise nothing changes.
/// \return Reason::BadRequest for what is no port, and for an endpoint that is not on this machine's 127.0.0.1
[[nodiscard]] Result<void> apply(Manifest& manifest, const SidecarEnvironment& environment);

}  // namespace trilby::app
