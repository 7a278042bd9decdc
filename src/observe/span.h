/// \file  One span in OpenTelemetry's protocol.
/// https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "observe/otlp_value.h"
#include "observe/trace.h"

namespace trilby::observe {

/// Numbers are the protocol's.
enum class SpanKind : std::uint8_t { Internal = 1, Server = 2, Client = 3, Producer = 4, Consumer = 5 };

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
  /// Another span that has to do with this one, and is not its parent.
  void link(const ParsedTraceparent& to);
  /// It did not go well. \param type  of a closed table
  void fail(std::string_view type);
  /// Appends the span to `out`, a message ScopeSpans.
  void end(std::string& out);

 private:
  static constexpr std::uint32_t kAttributes = 9;

  std::string span_;  // under way; kept for its memory
};

}  // namespace trilby::observe
