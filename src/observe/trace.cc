#include "observe/trace.h"

#include <algorithm>

#include <fmt/format.h>

namespace trilby::observe {
namespace {

// 00-<32 trace id>-<16 parent id>-<2 flags>
constexpr std::size_t kLength = 55;
constexpr std::size_t kTraceAt = 3;
constexpr std::size_t kTraceLength = 32;
constexpr std::size_t kParentAt = 36;
constexpr std::size_t kParentLength = 16;
constexpr std::size_t kFlagsAt = 53;
constexpr std::uint64_t kSampledFlag = 1;
constexpr std::size_t kMaxState = 512;

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_zero(std::string_view text) {
  return text.find_first_not_of('0') == std::string_view::npos;
}

/// Of hexadecimal digits, at most 16.
std::uint64_t number_of(std::string_view digits) {
  std::uint64_t number = 0;
  for (const char c : digits) {
    number = (number << 4U) | static_cast<std::uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  }
  return number;
}

void write_digits(std::uint64_t number, std::string& out, std::size_t at, std::size_t count) {
  for (std::size_t i = count; i > 0; --i, number >>= 4U) {
    out[at + i - 1] = "0123456789abcdef"[number & 0xFU];
  }
}

bool is_visible(char c) {
  return c >= 0x20 && c < 0x7F;
}

}  // namespace

bool is_traceparent(std::string_view text) {
  if (text.size() < kLength || text[2] != '-' || text[kParentAt - 1] != '-' || text[kFlagsAt - 1] != '-') {
    return false;
  }
  const std::string_view version = text.substr(0, 2);
  const std::string_view trace = text.substr(kTraceAt, kTraceLength);
  const std::string_view parent = text.substr(kParentAt, kParentLength);
  if (!is_hex(version) || version == "ff" || !is_hex(trace) || !is_hex(parent) || !is_hex(text.substr(kFlagsAt, 2)) ||
      is_zero(trace) || is_zero(parent)) {
    return false;
  }
  return text.size() == kLength || (version != "00" && text[kLength] == '-');
}

std::string_view trace_id(std::string_view traceparent) {
  return traceparent.substr(kTraceAt, kTraceLength);
}

TraceContext accept_trace(std::string_view traceparent, std::string_view tracestate) {
  if (!is_traceparent(traceparent)) {
    return {};
  }
  const bool keep_state =
      tracestate.size() <= kMaxState && std::all_of(tracestate.begin(), tracestate.end(), is_visible);
  // A later version may have more fields; what we pass on speaks version 00.
  return {fmt::format("00{}", traceparent.substr(2, kLength - 2)),
          keep_state ? std::string(tracestate) : std::string()};
}

ParsedTraceparent parse_traceparent(std::string_view traceparent) {
  constexpr std::size_t kHalf = kTraceLength / 2;
  return {{number_of(traceparent.substr(kTraceAt, kHalf)), number_of(traceparent.substr(kTraceAt + kHalf, kHalf))},
          number_of(traceparent.substr(kParentAt, kParentLength)),
          (number_of(traceparent.substr(kFlagsAt, 2)) & kSampledFlag) != 0};
}

std::string make_traceparent(const ParsedTraceparent& parts) {
  constexpr std::size_t kHalf = kTraceLength / 2;
  std::string text(kLength, '-');
  write_digits(0, text, 0, 2);
  write_digits(parts.trace[0], text, kTraceAt, kHalf);
  write_digits(parts.trace[1], text, kTraceAt + kHalf, kHalf);
  write_digits(parts.span, text, kParentAt, kParentLength);
  write_digits(parts.is_sampled ? kSampledFlag : 0, text, kFlagsAt, 2);
  return text;
}

}  // namespace trilby::observe
