#include "policy/policy.h"

namespace trilby::policy {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kMaxQueue = 100'000;

template <typename T>
Result<void> in_range(std::string_view field, T value, T least, T most) {
  if (value < least || value > most) {
    if constexpr (std::is_same_v<T, std::uint32_t>) {
      return fail(Reason::Manifest, "{} must be between {} and {}, not {}", field, least, most, value);
    } else {
      return fail(Reason::Manifest, "{} must be between {} and {}, not {}", field, format(least), format(most),
                  format(value));
    }
  }
  return {};
}

}  // namespace

Result<void> validate(const Limits& limits) {
  TRILBY_CHECK(in_range("memory", limits.memory, 64_KiB, 1_GiB));
  TRILBY_CHECK(in_range<std::uint32_t>("table_elements", limits.table_elements, 0, kMaxTableElements));
  TRILBY_CHECK(in_range("stack", limits.stack, kMinStack, kMaxStack));
  TRILBY_CHECK(in_range("cpu", limits.cpu, Duration(1ms), Duration(10min)));
  TRILBY_CHECK(in_range("wall", limits.wall, Duration(1ms), Duration(1h)));
  TRILBY_CHECK(in_range("request_body", limits.request_body, Bytes{0}, 1_GiB));
  TRILBY_CHECK(in_range("response_body", limits.response_body, Bytes{0}, 1_GiB));
  TRILBY_CHECK(in_range("stderr", limits.stderr_output, Bytes{0}, 16_MiB));
  TRILBY_CHECK(in_range<std::uint32_t>("log_lines_per_second", limits.log_lines_per_second, 0, 100'000));
  TRILBY_CHECK(in_range("log_line_length", limits.log_line_length, Bytes{16}, 4_KiB));
  TRILBY_CHECK(in_range<std::uint32_t>("handles", limits.handles, 0, 1000));
  TRILBY_CHECK(in_range<std::uint32_t>("host_calls_per_second", limits.host_calls_per_second, 0, 1'000'000));
  TRILBY_CHECK(in_range<std::uint32_t>("concurrency", limits.concurrency, 1, 1000));
  TRILBY_CHECK(in_range<std::uint32_t>("queue", limits.queue, 0, kMaxQueue));
  return in_range("queue_wait", limits.queue_wait, Duration(0), Duration(1min));
}

Result<void> validate(const AppLimits& limits) {
  TRILBY_CHECK(in_range<std::uint32_t>("concurrency", limits.concurrency, 1, 4000));
  TRILBY_CHECK(in_range<std::uint32_t>("queue", limits.queue, 0, kMaxQueue));
  return in_range("queue_wait", limits.queue_wait, Duration(0), Duration(1min));
}

}  // namespace trilby::policy
