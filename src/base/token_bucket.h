/// \file  How many of something may happen in a second.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/units.h"

namespace trilby {

/// A token bucket that holds what a second brings: so many at once, and then as many a second. A value; whoever shares
/// one locks it. Cost: a few operations on numbers.
class TokenBucket {
 public:
  explicit TokenBucket(std::uint32_t per_second) : per_second_(per_second), tokens_(per_second) {}

  /// Takes one token. \param now  not before that of the last call
  [[nodiscard]] bool take(Clock::time_point now) {
    if (tokens_ == 0) {
      refill(now);
    }
    if (tokens_ == 0) {
      return false;
    }
    if (tokens_ == per_second_) {
      filled_ = now;  // a full bucket gathers nothing
    }
    --tokens_;
    return true;
  }

 private:
  void refill(Clock::time_point now) {
    constexpr std::int64_t kSecond = std::chrono::nanoseconds(std::chrono::seconds(1)).count();
    const std::int64_t passed = std::clamp<std::int64_t>(Duration(now - filled_).count(), 0, kSecond);
    const std::uint64_t gained = static_cast<std::uint64_t>(passed) * per_second_ / kSecond;
    if (gained > 0) {
      tokens_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(gained, per_second_));
      filled_ = now;
    }
  }

  std::uint32_t per_second_;
  std::uint32_t tokens_;
  Clock::time_point filled_{};
};

}  // namespace trilby
