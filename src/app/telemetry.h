/// \file  Spans and metrics on their way to a collector (docs/decisions/0024-otlp.md).
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/manifest.h"
#include "app/metrics_source.h"
#include "app/span_exporter.h"
#include "app/wiring_loop.h"
#include "base/result.h"
#include "call/fields.h"
#include "http/client.h"
#include "net/loop.h"
#include "observe/metrics.h"

namespace trilby::app {

/// Sends what all loops give. Threading: made and used on `home`'s loop, unless it says otherwise. Ownership: what it
/// is made with outlives it; it is destroyed on the loop's thread or after that has ended, when the other loops have
/// ended too.
class Telemetry {
 public:
  /// \param traces_headers, metrics_headers  what the collector wants to see
  Telemetry(const Manifest& manifest, const Fields& traces_headers, const Fields& metrics_headers, ServingLoop& home,
            MetricsSource& metrics);
  Telemetry(const Telemetry&) = delete;
  Telemetry& operator=(const Telemetry&) = delete;

  /// For ServingLoop::trace(); nothing when no spans are exported. Any thread.
  [[nodiscard]] std::optional<SpanExport> span_export();

  /// Sends what has been handed over, and how metrics stand. `done` runs once, when that has gone well or failed.
  void flush(std::function<void()> done);

 private:
  void push_metrics(std::function<void()> done);
  void push_later();
  void take(Result<http::Response> response);
  void end_push(const std::string& why);

  const Manifest& manifest_;
  ServingLoop& home_;
  MetricsSource& metrics_;
  std::atomic<std::size_t> backlog_{0};
  observe::ExportMetrics exports_;
  http::Client client_;
  std::optional<SpanExporter> spans_;

  std::optional<OtlpTarget> metrics_target_;
  std::string process_;        // the resource whose metrics these are
  const std::uint64_t began_;  // nanoseconds since the epoch
  net::Timer next_push_;
  std::shared_ptr<void> push_;  // under way, or its answer
  bool is_answered_ = false;
  std::function<void()> pushed_;
  bool is_failing_ = false;  // which the log has been told
};

}  // namespace trilby::app
