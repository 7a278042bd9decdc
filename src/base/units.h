/// \file  Sizes and durations as people write them ("8MiB", "750ms") and as the code keeps them.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace trilby {

/// Monotonic time. Logic is given `now` as a value; only loops and mains read the clock.
using Clock = std::chrono::steady_clock;
using Duration = std::chrono::nanoseconds;

/// A number of bytes.
struct Bytes {
  std::uint64_t count = 0;
  auto operator<=>(const Bytes&) const = default;
};

namespace literals {
consteval Bytes operator""_KiB(unsigned long long n) {
  return Bytes{n << 10U};
}
consteval Bytes operator""_MiB(unsigned long long n) {
  return Bytes{n << 20U};
}
consteval Bytes operator""_GiB(unsigned long long n) {
  return Bytes{n << 30U};
}
}  // namespace literals

/// Reads "123", "64KiB", "8MiB", "1GiB", or the same with a space. Units are binary; "MB" is refused with a hint.
/// \return Reason::Manifest with a message that says what would be right
[[nodiscard]] Result<Bytes> parse_bytes(std::string_view text);
/// Reads "250us", "10ms", "1.5s", "2m", "1h"; a bare number is refused, for its unit would be a guess. At most 24h.
[[nodiscard]] Result<Duration> parse_duration(std::string_view text);

/// The shortest exact form that parse_bytes reads back: "8MiB", "1500B".
[[nodiscard]] std::string format(Bytes bytes);
/// At most three significant decimals, for people and for `trilby check`: "1.5s", "250us".
[[nodiscard]] std::string format(Duration duration);

}  // namespace trilby
