/// \file  One span in OpenTelemetry's protocol.
/// https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/reason.h"
#include "observe/otlp_value.h"
#include "observe/trace.h"

namespace trilby::observe {

/// Numbers are the protocol's.
enum class SpanKind : std::uint8_t { Internal = 1, Server = 2, Client = 3, Producer = 4, Consumer = 5 };

/// Whether an exchange of HTTP with this status has failed, by OpenTelemetry's conventions: for who asked from 400 on,
/// for who answered when the fault was theirs.
[[nodiscard]] constexpr bool is_failure(SpanKind kind, int status) {
  return status >= (kind == SpanKind::Client ? 400 : 500);
}

/// Writes one span after the other into a message. What it says comes between begin() and end(). Texts are read before
/// the functions return; of each at most kMaxAttributeBytes are kept. Threading: not thread-safe.
class SpanWriter {
 public:
  /// \param began, ended  nanoseconds since the epoch
  void begin(const SpanIds& ids, SpanKind kind, std::string_view name, std::uint64_t began, std::uint64_t ended);
  template <typename Value>
  void attribute(std::string_view name, Value value) {
    append_attribute(span_, kAttributes, name, value);
  }
  /// Another span, of somebody else, that has to do with this one and is not its parent.
  void link(const ParsedTraceparent& to);
  /// It did not go well. `error.type` is the reason; where that is Ok, the status of HTTP alone says that it failed.
  void fail(Reason reason, int status);
  /// Appends the span to `out`, a message ScopeSpans.
  void end(std::string& out);

 private:
  static constexpr std::uint32_t kAttributes = 9;

  std::string span_;  // under way; kept for its memory
};

}  // namespace trilby::observe
