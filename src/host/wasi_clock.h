/// \file  What a guest may know of the time. Internal to host/.
#pragma once

#include <algorithm>
#include <cstdint>

#include "host/wasi_types.h"
#include "policy/grants.h"

namespace trilby::host {

/// The two clocks of one guest, in nanoseconds. Threading: loop-bound.
class GuestClock {
 public:
  explicit GuestClock(policy::ClockKind kind) : kind_(kind) {}

  /// `id` is kRealtime or kMonotonic. A fixed clock stands still here.
  [[nodiscard]] std::uint64_t peek(ClockId id) const;
  /// The same for whoever asks: a fixed clock goes on by its resolution then, so that loops which wait for a moment
  /// end.
  [[nodiscard]] std::uint64_t read(ClockId id) {
    const std::uint64_t now = peek(id);
    advance(resolution());
    return now;
  }
  [[nodiscard]] std::uint64_t resolution() const { return policy::clock_resolution(kind_); }
  [[nodiscard]] bool fixed() const { return kind_ == policy::ClockKind::Fixed; }
  /// Time passes on a fixed clock; the others need nobody for that.
  void advance(std::uint64_t nanoseconds) { elapsed_ = std::min(elapsed_ + nanoseconds, kMostElapsed); }

 private:
  static constexpr std::uint64_t kMostElapsed = 1ULL << 60U;  // 36 years; no sum with it wraps
  policy::ClockKind kind_;
  std::uint64_t elapsed_ = 0;
};

}  // namespace trilby::host
