/// \file  Where a running system listens, for people's scripts and for tests: `--ready-file`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "app/manifest.h"
#include "app/worker.h"
#include "base/result.h"

namespace trilby::app {

struct BoundAddress {
  ListenerKind kind = ListenerKind::AppChannel;
  std::string app;  ///< empty for Admin
  Address address;  ///< with the port that was bound, never 0
  bool tls = false;
};

struct RunningSystem {
  std::vector<BoundAddress> addresses;
  std::map<std::string, std::uint16_t> sidecars;  ///< of each app that has one: its port on 127.0.0.1
  pid_t supervisor = 0;
  pid_t worker = 0;
};

/// "http://127.0.0.1:8080"
[[nodiscard]] std::string url(const Address& address);
/// The same, or "https://127.0.0.1:8443"
[[nodiscard]] std::string url(const BoundAddress& bound);
/// Where `app` answers its routes: its public address, or else its app channel. \return nullptr when it listens nowhere
[[nodiscard]] const BoundAddress* routes_address(const RunningSystem& system, std::string_view app);

/// {"apps":{"web":{"url":"http://127.0.0.1:8080","channel":"http://127.0.0.1:8080"}},"admin":"http://...","supervisor":1,"worker":2}
/// "url" is where the app's routes are served; "public" and "sidecar" are there only when the app has such an address.
[[nodiscard]] std::string ready_document(const RunningSystem& system);

/// Writes the whole file or nothing: a reader never sees a part of it. \return Reason::Manifest when it cannot be
/// written
[[nodiscard]] Result<void> write_ready_file(const std::filesystem::path& path, std::string_view document);

}  // namespace trilby::app
