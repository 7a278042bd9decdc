/// \file  What stands above the manifest: the environment, then flags. (design: "Settings come from the manifest, then
/// TRILBY_* variables, then flags".)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "app/manifest.h"
#include "base/result.h"

namespace trilby::app {

/// A port put in the place of the manifest's.
struct PortOverride {
  std::string field;  ///< "admin.listen", "app.ID.port", "app.ID.public" or "app.ID.sidecar.http"
  std::uint16_t port = 0;
  Origin origin = Origin::Flag;
  std::string written;  ///< as the person wrote it, with the flag or variable: "--port web=80"
};

/// Reads "APP=N", "APP.public=N" for the public address, or "APP.sidecar=N" for where the sidecar is. \return
/// Reason::BadRequest, for it is a matter of usage
[[nodiscard]] Result<PortOverride> parse_port_override(std::string_view text, Origin origin, std::string_view source);
/// Reads "N" for the admin listener.
[[nodiscard]] Result<PortOverride> parse_admin_port(std::string_view text, Origin origin, std::string_view source);

/// Puts the overrides in force, in order, and notes where each value came from.
/// \return Reason::BadRequest when an app is not defined
[[nodiscard]] Result<void> apply(Manifest& manifest, const std::vector<PortOverride>& overrides);
/// Once everything is in force. \return Reason::Manifest when two listeners want one address, or a sidecar that of
/// something else
[[nodiscard]] Result<void> check_addresses(const Manifest& manifest);

/// What Auto comes to: Batch when there is a sidecar, and no function or model whose computing shares the cores with
/// the loops, since requests would wait for that then (docs/decisions/0026). Once everything is in force.
[[nodiscard]] WorkerSettings::Scheduling scheduling_in_force(const Manifest& manifest);

/// A value in force, as people write it.
struct Setting {
  std::string name;  ///< the field's full name
  std::string value;
  Stated stated;
};
/// Every value that the manifest may set, set or not, in the order of the manifest; but routes, builds and paths only
/// as they are.
[[nodiscard]] std::vector<Setting> settings_in_force(const Manifest& manifest);

/// "default", "manifest", "environment", "flag"
[[nodiscard]] std::string_view name(Origin origin);

/// What a function is granted beside its input and output: "models food; env LANG", or "nothing".
[[nodiscard]] std::string describe_grants(const Function& function);

/// "GET /static/*", with the headers asked for: "POST /api/hello (api: go)"
[[nodiscard]] std::string describe_request(const Route& route);
/// "function grayscale", "files /srv/web", "invoke images/api/image", "text"
[[nodiscard]] std::string describe_target(const Route& route);

}  // namespace trilby::app
