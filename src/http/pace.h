/// \file  Whether a peer keeps up with a body, either way. Private to http/.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/units.h"

namespace trilby::http {

/// A peer may be waited for so long, and what it moves earns more time, but never more than it had at first. So a pause
/// is bounded, and so is the whole: n bytes take at most slack + n / rate of waiting, however they are cut.
/// Time that the peer itself has to wait is not billed: tell only of the other.
class Pace {
 public:
  Pace(Duration slack, Bytes per_second) : slack_(slack), per_second_(per_second), left_(slack) {}

  void restart() { left_ = slack_; }
  void waited(Duration time) { left_ = std::max(left_ - time, Duration::zero()); }
  void moved(std::uint64_t bytes) {
    const double seconds =
        static_cast<double>(bytes) / static_cast<double>(std::max<std::uint64_t>(per_second_.count, 1));
    const double most = std::chrono::duration<double>(slack_ - left_).count();
    left_ =
        seconds >= most ? slack_ : left_ + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  }
  /// How long the peer may be waited for now.
  [[nodiscard]] Duration left() const { return left_; }

 private:
  const Duration slack_;
  const Bytes per_second_;
  Duration left_;
};

}  // namespace trilby::http
