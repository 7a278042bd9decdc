#include "base/units.h"

#include <array>
#include <cmath>
#include <limits>

#include "base/number.h"

namespace trilby {
namespace {

struct ByteUnit {
  std::string_view name;
  std::uint64_t factor;
};
constexpr std::array<ByteUnit, 4> kByteUnits = {
    {{"GiB", 1ULL << 30U}, {"MiB", 1ULL << 20U}, {"KiB", 1ULL << 10U}, {"B", 1}}};

struct TimeUnit {
  std::string_view name;
  double nanoseconds;
};
constexpr std::array<TimeUnit, 6> kTimeUnits = {
    {{"h", 3.6e12}, {"m", 6e10}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"ns", 1}}};
constexpr double kMaxNanoseconds = 24 * 3.6e12;

/// Splits "12 MiB" into number and unit.
std::pair<std::string_view, std::string_view> split(std::string_view text) {
  const std::size_t end = text.find_first_not_of("0123456789.");
  if (end == std::string_view::npos) {
    return {text, {}};
  }
  const std::size_t unit = text.find_first_not_of(' ', end);
  return {text.substr(0, end), unit == std::string_view::npos ? std::string_view{} : text.substr(unit)};
}

}  // namespace

Result<Bytes> parse_bytes(std::string_view text) {
  const auto [digits, unit] = split(text);
  const auto number = parse_number<std::uint64_t>(digits);
  if (!number) {
    return fail(Reason::Manifest, "\"{}\" is not a size; write a whole number and B, KiB, MiB or GiB, as in \"64MiB\"",
                text);
  }
  for (const ByteUnit& row : kByteUnits) {
    if (unit == row.name || (unit.empty() && row.factor == 1)) {
      if (*number > std::numeric_limits<std::uint64_t>::max() / row.factor) {
        return fail(Reason::Manifest, "\"{}\" is larger than any size", text);
      }
      return Bytes{*number * row.factor};
    }
  }
  return fail(Reason::Manifest, "\"{}\" has no known unit; sizes are in B, KiB, MiB or GiB, as in \"64MiB\"", text);
}

Result<Duration> parse_duration(std::string_view text) {
  const auto [digits, unit] = split(text);
  const auto number = parse_number<double>(digits);
  if (!number) {
    return fail(Reason::Manifest, "\"{}\" is not a duration; write a number and us, ms, s, m or h, as in \"10s\"",
                text);
  }
  for (const TimeUnit& row : kTimeUnits) {
    if (unit == row.name) {
      const double nanoseconds = *number * row.nanoseconds;
      if (!(nanoseconds <= kMaxNanoseconds)) {
        return fail(Reason::Manifest, "\"{}\" is longer than 24h", text);
      }
      return Duration{static_cast<Duration::rep>(std::llround(nanoseconds))};
    }
  }
  return fail(Reason::Manifest, "\"{}\" has no known unit; durations are in us, ms, s, m or h, as in \"10s\"", text);
}

std::string format(Bytes bytes) {
  for (const ByteUnit& row : kByteUnits) {
    if (bytes.count >= row.factor && bytes.count % row.factor == 0) {
      return fmt::format("{}{}", bytes.count / row.factor, row.name);
    }
  }
  return "0B";
}

std::string format(Duration duration) {
  const auto nanoseconds = static_cast<double>(duration.count());
  for (const TimeUnit& row : kTimeUnits) {
    if (nanoseconds >= row.nanoseconds) {
      return fmt::format("{:.4g}{}", nanoseconds / row.nanoseconds, row.name);
    }
  }
  return "0s";
}

}  // namespace trilby
