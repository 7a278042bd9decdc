/// \file  Requests and answers of OpenTelemetry's protocol over HTTP, in protobuf. Encoding alone: app/telemetry sends.
/// https://opentelemetry.io/docs/specs/otlp/
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "observe/tracer.h"

namespace trilby::observe {

/// What is said once of all spans or metrics of a service, in order. Texts are UTF-8.
using ResourceAttributes = std::map<std::string, std::string, std::less<>>;

/// A message Resource.
[[nodiscard]] std::string encode_resource(const ResourceAttributes& attributes);

/// A message ExportTraceServiceRequest. \param resources  by SpanBatch::service
[[nodiscard]] std::string trace_request(std::span<const std::string> resources, std::span<const SpanBatch> batches,
                                        std::string_view version);

/// Metrics as a message ExportMetricsServiceRequest: sums and histograms are cumulative from `start` on. Names are
/// those of Prometheus, so that a series is the same whichever way it is read.
class OtlpMetrics final : public MetricWriter {
 public:
  /// \param start, now  nanoseconds since the epoch
  OtlpMetrics(std::uint64_t start, std::uint64_t now) : start_(start), now_(now) {}

  void family(std::string_view name, MetricType type, std::string_view unit, std::string_view help) override;
  void histogram(const LabelSet& labels, std::span<const std::uint64_t> bounds, std::span<const std::uint64_t> buckets,
                 std::uint64_t sum, double scale) override;
  /// \param resource  as encode_resource() gives it. \return the whole message; nothing may follow
  [[nodiscard]] std::string finish(std::string_view resource, std::string_view version);

 private:
  void integer(const LabelSet& labels, std::int64_t value) override;
  void real(const LabelSet& labels, double value) override;
  void end_family();
  template <typename WriteValue>
  void number(const LabelSet& labels, const WriteValue& write_value);

  const std::uint64_t start_;
  const std::uint64_t now_;
  std::string metrics_;  // fields of ScopeMetrics
  // The family that is being written:
  std::string head_;
  std::string points_;  // fields of Sum, Gauge or Histogram
  MetricType type_ = MetricType::Gauge;
};

/// How many spans (or data points) an answer says were refused: ExportTraceServiceResponse, as
/// ExportMetricsServiceResponse. None when it is no such message: a collector that took them need say nothing.
[[nodiscard]] std::uint64_t refused_count(std::string_view response);

}  // namespace trilby::observe
