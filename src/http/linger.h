/// \file  Hearing a peer out after the last answer. Private to http/.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/units.h"
#include "net/stream.h"

namespace trilby::http {

/// A connection that is closed while the peer is sending is reset by the kernel, and the peer might never see the
/// answer. So what still comes is thrown away for a while.
class Linger {
  // A peer that reads the last answer stops sending within a round trip or two; one that sends on is heard out for
  // longer, but not for more than this.
  static constexpr std::chrono::seconds kIdle{2};
  static constexpr std::uint64_t kBytes = std::uint64_t{256} << 20U;

 public:
  void begin(Duration longest) { until_ = Clock::now() + longest; }
  /// \return how long to wait for more; nothing: it was enough
  [[nodiscard]] std::optional<Duration> throw_away(net::Stream& stream) {
    const std::size_t size = stream.input().size();
    stream.consume(size);
    thrown_away_ += size;
    const auto now = Clock::now();
    if (thrown_away_ > kBytes || now >= until_) {
      return std::nullopt;
    }
    return std::min<Duration>(kIdle, until_ - now);
  }

 private:
  std::uint64_t thrown_away_ = 0;
  Clock::time_point until_;
};

}  // namespace trilby::http
