/// \file  Pauses between attempts that may fail again and again.
#pragma once

#include <algorithm>

#include "base/units.h"

namespace trilby::app {

/// Each pause is twice the one before, up to the longest. Threading: not thread-safe.
class Backoff {
 public:
  constexpr Backoff(Duration first, Duration longest) : first_(first), longest_(longest) {}

  /// How long to wait now.
  [[nodiscard]] Duration next() {
    pause_ = std::clamp(pause_ * 2, first_, longest_);
    return pause_;
  }
  void reset() { pause_ = {}; }  ///< a series of failures is over: next() is the first one again
  [[nodiscard]] Duration longest() const { return longest_; }

 private:
  Duration first_;
  Duration longest_;
  Duration pause_{};
};

/// Before a worker or a sidecar that died is started again.
inline constexpr Backoff kRestartBackoff{std::chrono::milliseconds(100), std::chrono::seconds(5)};
/// One that ran this long has started well, and ends a series of deaths.
inline constexpr Duration kHealthyAfter = std::chrono::seconds(10);

}  // namespace trilby::app
