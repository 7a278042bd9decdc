/// \file  W3C Trace Context, level 1: https://www.w3.org/TR/trace-context/
#pragma once

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

/// The context to pass on when `parent` leads to another call: same trace, same flags, a new span id. Empty for an
/// empty one.
[[nodiscard]] TraceContext child_trace(const TraceContext& parent, std::uint64_t span_id);

}  // namespace trilby::observe
