/// \file  How often a peer may do what costs it little. Private to http/.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/units.h"

namespace trilby::http {

/// A token bucket: `burst` at first and at most, `per_second` more with time, and what is earned by other means.
/// Time is passed in.
class Allowance {
 public:
  Allowance(std::uint32_t burst, std::uint32_t per_second) : burst_(burst), per_second_(per_second), left_(burst) {}

  void earn(double count) { left_ = std::min(burst_, left_ + count); }
  /// \return false when there is not so much left; nothing is taken then
  [[nodiscard]] bool spend(std::uint32_t count, Clock::time_point now) {
    if (now > updated_) {  // before the first time the bucket is full: what that adds is lost
      earn(per_second_ * std::chrono::duration<double>(now - updated_).count());
      updated_ = now;
    }
    if (left_ < count) {
      return false;
    }
    left_ -= count;
    return true;
  }

 private:
  const double burst_;
  const double per_second_;
  double left_;
  Clock::time_point updated_{};
};

}  // namespace trilby::http
