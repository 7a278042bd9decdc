/// \file  Waiting for a sidecar that somebody else starts, while the system serves.
#pragma once

#include <optional>
#include <string>

#include "app/supervisor_probe.h"

namespace trilby::app {

/// The sidecar of an app, which may be there or come later.
struct AwaitedSidecar {
  std::string app;
  Address address;
};

/// Looks for it until it is there, and says so in the log; also that it waits, and once more when that takes long.
/// Nothing else waits for it. Threading: not thread-safe; never waits.
class SidecarWait {
 public:
  SidecarWait(AwaitedSidecar sidecar, Clock::time_point now);

  [[nodiscard]] pollfd polled() const { return probe_ ? probe_->polled() : pollfd{-1, 0, 0}; }
  /// When to call advance() at the latest; nothing once it is there.
  [[nodiscard]] std::optional<Clock::time_point> due() const {
    return probe_ ? std::optional(probe_->due()) : std::nullopt;
  }
  void advance(Clock::time_point now);

 private:
  std::string app_;
  Clock::time_point since_;
  std::optional<SidecarProbe> probe_;  // none once it has answered
  bool said_waiting_ = false;
  bool said_long_ = false;
};

}  // namespace trilby::app
