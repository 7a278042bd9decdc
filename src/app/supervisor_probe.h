/// \file  Asks a sidecar whether it can be used, until it can.
#pragma once

#include <string>

#include <poll.h>

#include "app/backoff.h"
#include "app/manifest.h"
#include "base/units.h"
#include "net/socket.h"

namespace trilby::app {

/// `GET /v1.0/healthz/outbound`, again and again: at once, and after pauses of 50 ms that grow to 2 s. Each time it
/// waits for a second. (An app is not to wait for /v1.0/healthz, which waits for the app.) Threading: not thread-safe;
/// never waits. Cost: one connection at a time.
class SidecarProbe {
 public:
  SidecarProbe(Address sidecar, Clock::time_point now) : sidecar_(std::move(sidecar)), next_(now) {}

  /// For poll(): call advance() when it is ready, or when due() has come. The descriptor is -1 between two attempts.
  [[nodiscard]] pollfd polled() const;
  [[nodiscard]] Clock::time_point due() const { return next_; }
  /// Goes on as far as that goes without waiting. \return whether the sidecar can be used; then ask no more
  [[nodiscard]] bool advance(Clock::time_point now);

  [[nodiscard]] const Address& sidecar() const { return sidecar_; }
  [[nodiscard]] bool has_failed() const { return failed_; }  ///< an attempt has, at least one

 private:
  enum class Verdict : std::uint8_t { Waiting, Ready, NotReady };
  Verdict attempt();
  Verdict begin();
  Verdict send_request();

  Address sidecar_;
  net::Socket connection_;  // none between two attempts
  bool sent_ = false;
  std::string answer_;      // its first bytes
  Clock::time_point next_;  // end of the attempt or of the pause
  Backoff backoff_{std::chrono::milliseconds(50), std::chrono::seconds(2)};
  bool failed_ = false;
};

}  // namespace trilby::app
