#include "observe/exposition.h"

#include <array>
#include <cmath>
#include <iterator>

#include <fmt/format.h>

#include "base/text.h"

namespace trilby::observe {
namespace {

constexpr std::string_view kTotal = "_total";

/// Shortest text that reads back exactly, always as a float: OpenMetrics wants bounds in one canonical form.
std::string float_text(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == std::string::npos) {
    text += ".0";
  }
  return text;
}

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') {
      out += '\\';
    }
    out += c;
  }
}

std::string_view type_name(MetricType type) {
  constexpr std::array<std::string_view, 3> kNames = {"counter", "gauge", "histogram"};
  return kNames.at(static_cast<std::size_t>(type));
}

}  // namespace

std::string_view content_type(TextFormat format) {
  return format == TextFormat::OpenMetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                           : "text/plain; version=0.0.4; charset=utf-8";
}

TextFormat negotiate(std::string_view accept) {
  return ascii_lower(accept).find("application/openmetrics-text") == std::string::npos ? TextFormat::Prometheus
                                                                                       : TextFormat::OpenMetrics;
}

LabelSet& LabelSet::add(std::string_view name, std::string_view value) {
  labels_.emplace_back(name, value);
  return *this;
}

std::string LabelSet::text() const {
  std::string text;
  for (const auto& [name, value] : labels_) {
    text += text.empty() ? "" : ",";
    text += name;
    text += "=\"";
    append_escaped(text, value);
    text += '"';
  }
  return text;
}

void TextWriter::family(std::string_view name, MetricType type, std::string_view unit, std::string_view help) {
  name_ = name;
  std::string_view family = name;
  if (format_ == TextFormat::OpenMetrics && family.ends_with(kTotal)) {
    family.remove_suffix(kTotal.size());
  }
  fmt::format_to(std::back_inserter(out_), "# HELP {} {}\n# TYPE {} {}\n", family, help, family, type_name(type));
  if (format_ == TextFormat::OpenMetrics && !unit.empty()) {
    fmt::format_to(std::back_inserter(out_), "# UNIT {} {}\n", family, unit);
  }
}

void TextWriter::integer(const LabelSet& labels, std::int64_t value) {
  line("", labels.text(), std::to_string(value));
}

void TextWriter::real(const LabelSet& labels, double value) {
  line("", labels.text(), float_text(value));
}

void TextWriter::histogram(const LabelSet& labels, std::span<const std::uint64_t> bounds,
                           std::span<const std::uint64_t> buckets, std::uint64_t sum, double scale) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    count += buckets[i];
    LabelSet with_bound = labels;
    with_bound.add("le", i < bounds.size() ? float_text(static_cast<double>(bounds[i]) / scale) : "+Inf");
    line("_bucket", with_bound.text(), std::to_string(count));
  }
  line("_sum", labels.text(), float_text(static_cast<double>(sum) / scale));
  line("_count", labels.text(), std::to_string(count));
}

std::string TextWriter::finish() {
  if (format_ == TextFormat::OpenMetrics) {
    out_ += "# EOF\n";
  }
  return std::move(out_);
}

void TextWriter::line(std::string_view suffix, std::string_view labels, std::string_view value) {
  out_ += name_;
  out_ += suffix;
  if (!labels.empty()) {
    out_ += '{';
    out_ += labels;
    out_ += '}';
  }
  out_ += ' ';
  out_ += value;
  out_ += '\n';
}

}  // namespace trilby::observe
