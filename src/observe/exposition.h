/// \file  How metrics are written, and the text in which Prometheus reads them: its own format 0.0.4 and
/// OpenMetrics 1.0.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace trilby::observe {

enum class TextFormat : std::uint8_t { Prometheus, OpenMetrics };

[[nodiscard]] std::string_view content_type(TextFormat format);
/// OpenMetrics for who asks for it, else Prometheus. `accept` is the request's Accept field.
[[nodiscard]] TextFormat negotiate(std::string_view accept);

enum class MetricType : std::uint8_t { Counter, Gauge, Histogram };

/// What tells the samples of a family apart, in order.
class LabelSet {
 public:
  LabelSet& add(std::string_view name, std::string_view value);
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& all() const { return labels_; }
  [[nodiscard]] std::string text() const;  ///< `name="value",...`, values escaped

 private:
  std::vector<std::pair<std::string, std::string>> labels_;
};

/// Takes families one after the other. A family's samples follow it at once.
class MetricWriter {
 public:
  virtual ~MetricWriter() = default;

  /// `name` carries the unit, and "_total" for a counter; `unit` is "seconds", "bytes" or empty.
  virtual void family(std::string_view name, MetricType type, std::string_view unit, std::string_view help) = 0;
  void sample(const LabelSet& labels, std::integral auto value) { integer(labels, static_cast<std::int64_t>(value)); }
  void sample(const LabelSet& labels, double value) { real(labels, value); }
  /// `buckets` are not cumulative and one more than `bounds`. Everything is divided by `scale` (1e9: nanoseconds to
  /// seconds).
  virtual void histogram(const LabelSet& labels, std::span<const std::uint64_t> bounds,
                         std::span<const std::uint64_t> buckets, std::uint64_t sum, double scale) = 0;

 private:
  virtual void integer(const LabelSet& labels, std::int64_t value) = 0;
  virtual void real(const LabelSet& labels, double value) = 0;
};

class TextWriter final : public MetricWriter {
 public:
  explicit TextWriter(TextFormat format) : format_(format) {}

  void family(std::string_view name, MetricType type, std::string_view unit, std::string_view help) override;
  void histogram(const LabelSet& labels, std::span<const std::uint64_t> bounds, std::span<const std::uint64_t> buckets,
                 std::uint64_t sum, double scale) override;
  /// \return the whole text; nothing may follow
  [[nodiscard]] std::string finish();

 private:
  void integer(const LabelSet& labels, std::int64_t value) override;
  void real(const LabelSet& labels, double value) override;
  void line(std::string_view suffix, std::string_view labels, std::string_view value);

  TextFormat format_;
  std::string name_;  // of the family's samples
  std::string out_;
};

}  // namespace trilby::observe
