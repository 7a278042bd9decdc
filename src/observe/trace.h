/// \file  W3C Trace Context, level 1: https://www.w3.org/TR/trace-context/
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "call/call.h"

namespace trilby::observe {

/// Whether `text` is a traceparent that may be used: version 00 exactly, or a later one that begins like it.
[[nodiscard]] bool is_traceparent(std::string_view text);

/// The trace id in a valid traceparent: 32 hexadecimal digits, into `traceparent`.
[[nodiscard]] std::string_view trace_id(std::string_view traceparent);

/// Takes over a caller's context as it came, or nothing of it when traceparent is invalid. A tracestate over 512 bytes
/// or with anything but visible ASCII is left out, as the specification allows.
[[nodiscard]] TraceContext accept_trace(std::string_view traceparent, std::string_view tracestate);

/// What a span is called, and what it says of its trace. A value.
struct SpanIds {
  std::array<std::uint64_t, 2> trace{};
  std::uint64_t span = 0;    ///< 0: it is not recorded
  std::uint64_t parent = 0;  ///< 0: it has none
  bool is_parent_remote = false;
  std::string state;  ///< `tracestate`, as TraceContext has it

  [[nodiscard]] bool is_recorded() const { return span != 0; }
};

/// What a valid traceparent says: whether its span is recorded, and which it is.
struct ParsedTraceparent {
  std::array<std::uint64_t, 2> trace{};
  std::uint64_t span = 0;
  bool is_sampled = false;
};
[[nodiscard]] ParsedTraceparent parse_traceparent(std::string_view traceparent);
/// The other way round, as version 00.
[[nodiscard]] std::string make_traceparent(const ParsedTraceparent& parts);

}  // namespace trilby::observe
