#include "observe/exposition.h"

#include <array>

#include <gtest/gtest.h>

namespace trilby::observe {
namespace {

TEST(Exposition, WritesCountersForEachFormat) {
  for (const auto& [format, expected] : {
           std::pair{TextFormat::Prometheus, "# HELP a_total Things.\n# TYPE a_total counter\na_total{x=\"1\"} 7\n"},
           std::pair{TextFormat::OpenMetrics, "# HELP a Things.\n# TYPE a counter\na_total{x=\"1\"} 7\n# EOF\n"},
       }) {
    TextWriter out(format);
    out.family("a_total", MetricType::Counter, "", "Things.");
    out.sample(LabelSet().add("x", "1"), 7);
    EXPECT_EQ(out.finish(), expected);
  }
}

TEST(Exposition, AccumulatesHistogramBuckets) {
  TextWriter out(TextFormat::OpenMetrics);
  out.family("d_seconds", MetricType::Histogram, "seconds", "Time.");
  constexpr std::array<std::uint64_t, 2> kBounds = {500'000'000, 1'000'000'000};
  constexpr std::array<std::uint64_t, 3> kBuckets = {1, 2, 3};
  out.histogram(LabelSet(), kBounds, kBuckets, 2'500'000'000, 1e9);
  EXPECT_EQ(out.finish(),
            "# HELP d_seconds Time.\n# TYPE d_seconds histogram\n# UNIT d_seconds seconds\n"
            "d_seconds_bucket{le=\"0.5\"} 1\nd_seconds_bucket{le=\"1.0\"} 3\nd_seconds_bucket{le=\"+Inf\"} 6\n"
            "d_seconds_sum 2.5\nd_seconds_count 6\n# EOF\n");
}

TEST(Exposition, EscapesLabelValues) {
  EXPECT_EQ(LabelSet().add("a", "q\"b\\n\nend").add("b", "2").text(), "a=\"q\\\"b\\\\n\\nend\",b=\"2\"");
}

TEST(Exposition, GivesOpenMetricsOnlyToThoseWhoAsk) {
  EXPECT_EQ(negotiate(""), TextFormat::Prometheus);
  EXPECT_EQ(negotiate("text/plain;version=0.0.4"), TextFormat::Prometheus);
  EXPECT_EQ(negotiate("Application/OpenMetrics-Text;version=1.0.0,text/plain;q=0.5"), TextFormat::OpenMetrics);
}

}  // namespace
}  // namespace trilby::observe
