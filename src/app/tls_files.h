/// \file  The certificates and keys that a manifest names.
#pragma once

#include <memory>
#include <vector>

#include "app/expiry_reminder.h"
#include "app/manifest.h"
#include "base/result.h"
#include "net/tls_context.h"

namespace trilby::app {

/// Reads certificate and key of `app`, which names them, for what speaks HTTP. From here on the process writes no core
/// files. What is only doubtful is in the log: a certificate that is not valid today or was not renewed in time, one
/// that no listener uses.
/// \return Reason::Manifest, with line and field, when one of them cannot be read, is none, or does not fit the other,
///         and when the key lies where routes or functions have their files
[[nodiscard]] Result<std::shared_ptr<const net::TlsContext>> load_tls(const Manifest& manifest, const App& app);

/// Of each app, in the order of the manifest; null for those that name none.
[[nodiscard]] Result<std::vector<std::shared_ptr<const net::TlsContext>>> load_all_tls(const Manifest& manifest);

/// Those that listeners use. \param loaded  as load_all_tls() gives them
[[nodiscard]] std::vector<ServedCertificate> served_certificates(
    const Manifest& manifest, const std::vector<std::shared_ptr<const net::TlsContext>>& loaded);

}  // namespace trilby::app
