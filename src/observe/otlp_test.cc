#include "observe/otlp.h"

#include <gtest/gtest.h>

#include "observe/test_spans.h"

namespace trilby::observe {
namespace {

using namespace std::string_view_literals;

const SpanIds kIds{{1, 2}, 3, 0, false, {}};

TEST(Otlp, PutsSpansIntoTheirServices) {
  SpanWriter writer;
  std::vector<SpanBatch> batches = {{1, 2, {}}, {0, 1, {}}};
  for (SpanBatch& batch : batches) {
    for (std::uint32_t i = 0; i < batch.count; ++i) {
      writer.begin(kIds, SpanKind::Client, batch.service == 0 ? "of the first" : "of the second", 0, 0);
      writer.end(batch.spans);
    }
  }
  const std::vector<std::string> resources = {encode_resource({{"service.name", "first"}}),
                                              encode_resource({{"service.name", "second"}, {"a", "\xff"}})};
  std::string told;
  walk_message(trace_request(resources, batches, "1.2"), [&](const ProtobufCursor& field) {
    ASSERT_EQ(field.number(), 1U);  // ResourceSpans
    walk_message(field.bytes().value(), [&](const ProtobufCursor& part) {
      if (part.number() == 1) {  // Resource
        walk_message(part.bytes().value(), [&](const ProtobufCursor& attribute) {
          const auto [name, value] = read_attribute(attribute.bytes().value());
          told += name + "=" + value + "\n";
        });
        return;
      }
      ASSERT_EQ(part.number(), 2U);  // ScopeSpans
      walk_message(part.bytes().value(), [&](const ProtobufCursor& inner) {
        if (inner.number() == 1) {  // InstrumentationScope
          walk_message(inner.bytes().value(),
                       [&](const ProtobufCursor& scope) { told += std::string(scope.bytes().value()) + "\n"; });
        } else {
          told += read_span(inner.bytes().value()).name + "\n";
        }
      });
    });
  });
  EXPECT_EQ(told,
            "a=\xEF\xBF\xBD\nservice.name=second\ntrilby\n1.2\nof the second\nof the second\n"
            "service.name=first\ntrilby\n1.2\nof the first\n");
}

TEST(Otlp, KeepsAttributesOfResourcesAndMetricsWhole) {
  const std::string text(300, 'x');
  const auto whole = [&](std::string_view message, std::uint32_t attributes) {
    int count = 0;
    walk_message(message, [&](const ProtobufCursor& field) {
      if (field.number() == attributes) {
        EXPECT_EQ(read_attribute(field.bytes().value()).second, text + "\xC3\xA9");
        ++count;
      }
    });
    return count;
  };
  const std::string resource = encode_resource({{"team", text + "\xC3\xA9"}});
  EXPECT_EQ(whole(resource, 1), 1);

  OtlpMetrics metrics(1, 2);
  metrics.family("live", MetricType::Gauge, "", "");
  metrics.sample(LabelSet().add("app", text + "\xC3\xA9"), 1);
  const std::string all = metrics.finish(resource, "1");
  std::string_view message = all;
  // ResourceMetrics, ScopeMetrics, Metric, Gauge, NumberDataPoint
  for (const std::uint32_t number : {1U, 2U, 2U, 5U, 1U}) {
    std::string_view inner;
    walk_message(message, [&](const ProtobufCursor& field) {
      if (field.number() == number) {
        inner = field.bytes().value();
      }
    });
    message = inner;
  }
  EXPECT_EQ(whole(message, 7), 1);
}

TEST(Otlp, UnderstandsHowManyWereRefused) {
  EXPECT_EQ(refused_count(""), 0U);
  EXPECT_EQ(refused_count("\x0a\x02\x08\x07"sv), 7U);
  EXPECT_EQ(refused_count("\x0a\x06\x08\x07\x12\x02no"sv), 7U);
  EXPECT_EQ(refused_count("\x0a\x00"sv), 0U) << "partial success of everything";
  EXPECT_EQ(refused_count("<html>"), 0U);
  EXPECT_EQ(refused_count("\x0a\x02\x08"), 0U) << "cut off";
}

}  // namespace
}  // namespace trilby::observe
