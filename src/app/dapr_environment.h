/// \file  What Dapr tells an app that it starts, in the environment: `dapr run`, and its injector in Kubernetes. (Where
/// the sidecar is: manifest_sidecar.h.)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "app/manifest.h"
#include "base/result.h"

namespace trilby::app {

struct DaprEnvironment {
  std::string app_id;                     ///< APP_ID; empty: not told
  std::optional<std::uint16_t> app_port;  ///< APP_PORT: where the sidecar will look for the app
  std::optional<Protocol> protocol;       ///< APP_PROTOCOL: what the sidecar will speak to the app
};

/// Reads it. An APP_PROTOCOL that app channels do not speak is refused. Empty variables count as absent.
/// \return Reason::BadRequest with the variable's name
[[nodiscard]] Result<DaprEnvironment> read_dapr_environment();

/// The app that is meant: the one that was asked for, with which Dapr has to agree, or else the one that Dapr names.
/// \param asked  may be empty
/// \return Reason::BadRequest when nobody names one, or two are named
[[nodiscard]] Result<std::string> choose_app(std::string_view asked, const DaprEnvironment& told);

}  // namespace trilby::app
