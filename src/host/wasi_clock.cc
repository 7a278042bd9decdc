#include "host/wasi_clock.h"

#include <ctime>

namespace trilby::host {
namespace {

constexpr std::uint64_t kFixedStart = 946'684'800'000'000'000;  // 2000-01-01T00:00:00Z

}  // namespace

std::uint64_t GuestClock::peek(ClockId id) const {
  if (fixed()) {
    return id == kRealtime ? kFixedStart + elapsed_ : elapsed_;
  }
  timespec time{};
  clock_gettime(id == kRealtime ? CLOCK_REALTIME : CLOCK_MONOTONIC, &time);
  const std::uint64_t now =
      static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
  return now - now % resolution();
}

}  // namespace trilby::host
