#include "observe/otlp.h"

#include <bit>
#include <utility>

#include "base/protobuf.h"

namespace trilby::observe {
namespace {

// Export*ServiceRequest
constexpr std::uint32_t kResources = 1;
// ResourceSpans, ResourceMetrics
constexpr std::uint32_t kResource = 1;
constexpr std::uint32_t kScopes = 2;
// ScopeSpans, ScopeMetrics
constexpr std::uint32_t kScope = 1;
// InstrumentationScope
constexpr std::uint32_t kScopeName = 1;
constexpr std::uint32_t kScopeVersion = 2;
// Resource
constexpr std::uint32_t kAttributes = 1;
// ScopeMetrics
constexpr std::uint32_t kMetrics = 2;
// Metric
constexpr std::uint32_t kMetricName = 1;
constexpr std::uint32_t kDescription = 2;
constexpr std::uint32_t kUnit = 3;
constexpr std::uint32_t kGauge = 5;
constexpr std::uint32_t kSum = 7;
constexpr std::uint32_t kHistogram = 9;
// Gauge, Sum, Histogram
constexpr std::uint32_t kPoints = 1;
constexpr std::uint32_t kTemporality = 2;
constexpr std::uint64_t kCumulative = 2;
constexpr std::uint32_t kIsMonotonic = 3;
// NumberDataPoint, HistogramDataPoint
constexpr std::uint32_t kPointStart = 2;
constexpr std::uint32_t kPointTime = 3;
// NumberDataPoint
constexpr std::uint32_t kAsDouble = 4;
constexpr std::uint32_t kAsInteger = 6;
constexpr std::uint32_t kNumberAttributes = 7;
// HistogramDataPoint
constexpr std::uint32_t kCount = 4;
constexpr std::uint32_t kHistogramSum = 5;
constexpr std::uint32_t kBucketCounts = 6;
constexpr std::uint32_t kExplicitBounds = 7;
constexpr std::uint32_t kHistogramAttributes = 9;
// Export*ServiceResponse
constexpr std::uint32_t kPartialSuccess = 1;
constexpr std::uint32_t kRejected = 1;

std::string make_scope(std::string_view version) {
  std::string scope;
  ProtobufWriter(scope).bytes(kScopeName, "trilby").bytes(kScopeVersion, version);
  return scope;
}

}  // namespace

std::string encode_resource(const ResourceAttributes& attributes) {
  std::string out;
  for (const auto& [name, value] : attributes) {
    append_attribute(out, kAttributes, name, std::string_view(value), kWhole);
  }
  return out;
}

std::string trace_request(std::span<const std::string> resources, std::span<const SpanBatch> batches,
                          std::string_view version) {
  const std::string scope = make_scope(version);
  std::string out;
  for (const SpanBatch& batch : batches) {
    const std::string& resource = resources[batch.service];
    const std::size_t in_scope = ProtobufWriter::bytes_size(kScope, scope.size()) + batch.spans.size();
    ProtobufWriter writer(out);
    writer.begin_bytes(kResources, ProtobufWriter::bytes_size(kResource, resource.size()) +
                                       ProtobufWriter::bytes_size(kScopes, in_scope));
    writer.bytes(kResource, resource).begin_bytes(kScopes, in_scope).bytes(kScope, scope);
    out += batch.spans;
  }
  return out;
}

void OtlpMetrics::family(std::string_view name, MetricType type, std::string_view unit, std::string_view help) {
  end_family();
  type_ = type;
  ProtobufWriter(head_).bytes(kMetricName, name).bytes(kDescription, help);
  if (!unit.empty()) {
    ProtobufWriter(head_).bytes(kUnit, unit == "seconds" ? "s" : unit == "bytes" ? "By" : unit);
  }
}

void OtlpMetrics::end_family() {
  if (!points_.empty()) {  // a metric without data is none
    ProtobufWriter writer(points_);
    std::uint32_t data = kGauge;
    if (type_ != MetricType::Gauge) {
      data = type_ == MetricType::Counter ? kSum : kHistogram;
      writer.integer(kTemporality, kCumulative);
    }
    if (type_ == MetricType::Counter) {
      writer.integer(kIsMonotonic, 1);
    }
    ProtobufWriter(head_).bytes(data, points_);
    ProtobufWriter(metrics_).bytes(kMetrics, head_);
  }
  head_.clear();
  points_.clear();
}

template <typename WriteValue>
void OtlpMetrics::number(const LabelSet& labels, const WriteValue& write_value) {
  std::string point;
  ProtobufWriter writer(point);
  writer.fixed64(kPointStart, start_).fixed64(kPointTime, now_);
  write_value(writer);
  for (const auto& [name, value] : labels.all()) {
    append_attribute(point, kNumberAttributes, name, std::string_view(value), kWhole);
  }
  ProtobufWriter(points_).bytes(kPoints, point);
}

void OtlpMetrics::integer(const LabelSet& labels, std::int64_t value) {
  number(labels, [&](ProtobufWriter& point) { point.fixed64(kAsInteger, static_cast<std::uint64_t>(value)); });
}

void OtlpMetrics::real(const LabelSet& labels, double value) {
  number(labels, [&](ProtobufWriter& point) { point.real(kAsDouble, value); });
}

void OtlpMetrics::histogram(const LabelSet& labels, std::span<const std::uint64_t> bounds,
                            std::span<const std::uint64_t> buckets, std::uint64_t sum, double scale) {
  std::string counts;
  std::uint64_t count = 0;
  for (const std::uint64_t bucket : buckets) {
    append_fixed64(counts, bucket);
    count += bucket;
  }
  std::string limits;
  for (const std::uint64_t bound : bounds) {
    append_fixed64(limits, std::bit_cast<std::uint64_t>(static_cast<double>(bound) / scale));
  }
  std::string point;
  ProtobufWriter writer(point);
  writer.fixed64(kPointStart, start_).fixed64(kPointTime, now_);
  writer.fixed64(kCount, count).real(kHistogramSum, static_cast<double>(sum) / scale);
  writer.bytes(kBucketCounts, counts).bytes(kExplicitBounds, limits);
  for (const auto& [name, value] : labels.all()) {
    append_attribute(point, kHistogramAttributes, name, std::string_view(value), kWhole);
  }
  ProtobufWriter(points_).bytes(kPoints, point);
}

std::string OtlpMetrics::finish(std::string_view resource, std::string_view version) {
  end_family();
  const std::string scope = make_scope(version);
  const std::size_t in_scope = ProtobufWriter::bytes_size(kScope, scope.size()) + metrics_.size();
  std::string out;
  ProtobufWriter writer(out);
  writer.begin_bytes(kResources, ProtobufWriter::bytes_size(kResource, resource.size()) +
                                     ProtobufWriter::bytes_size(kScopes, in_scope));
  writer.bytes(kResource, resource).begin_bytes(kScopes, in_scope).bytes(kScope, scope);
  return out + std::exchange(metrics_, {});
}

std::uint64_t refused_count(std::string_view response) {
  std::uint64_t refused = 0;
  ProtobufCursor field(response);
  while (field.next()) {
    const auto partial = field.number() == kPartialSuccess ? field.bytes() : std::nullopt;
    for (ProtobufCursor inner(partial.value_or("")); inner.next();) {
      if (inner.number() == kRejected) {
        refused = inner.integer().value_or(0);
      }
    }
  }
  return field.is_malformed() ? 0 : refused;
}

}  // namespace trilby::observe
