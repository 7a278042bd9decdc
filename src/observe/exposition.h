/// \file  The text in which Prometheus reads metrics: its own format 0.0.4 and OpenMetrics 1.0.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace trilby::observe {

enum class TextFormat : std::uint8_t { Prometheus, OpenMetrics };

[[nodiscard]] std::string_view content_type(TextFormat format);
/// OpenMetrics for who asks for it, else Prometheus. `accept` is the request's Accept field.
[[nodiscard]] TextFormat negotiate(std::string_view accept);

enum class MetricType : std::uint8_t { Counter, Gauge, Histogram };

/// `{name="value",...}` under construction; values are escaped.
class LabelSet {
 public:
  LabelSet& add(std::string_view name, std::string_view value);
  [[nodiscard]] std::string_view text() const { return text_; }  ///< without the braces

 private:
  std::string text_;
};

/// Writes families one after the other. A family's samples follow it at once.
class TextWriter {
 public:
  explicit TextWriter(TextFormat format) : format_(format) {}

  /// `name` carries the unit, and "_total" for a counter; `unit` is "seconds", "bytes" or empty.
  void family(std::string_view name, MetricType type, std::string_view unit, std::string_view help);
  void sample(const LabelSet& labels, std::integral auto value) { line("", labels.text(), std::to_string(value)); }
  void sample(const LabelSet& labels, double value);
  /// `buckets` are not cumulative and one more than `bounds`. Everything is divided by `scale` (1e9: nanoseconds to
  /// seconds).
  void histogram(const LabelSet& labels, std::span<const std::uint64_t> bounds, std::span<const std::uint64_t> buckets,
                 std::uint64_t sum, double scale);
  /// \return the whole text; nothing may follow
  [[nodiscard]] std::string finish();

 private:
  void line(std::string_view suffix, std::string_view labels, std::string_view value);

  TextFormat format_;
  std::string name_;  // of the family's samples
  std::string out_;
};

}  // namespace trilby::observe
