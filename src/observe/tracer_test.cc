#include "observe/tracer.h"

#include <optional>

#include <gtest/gtest.h>

#include "observe/test_spans.h"

namespace trilby::observe {
namespace {

constexpr const char* kParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
constexpr const char* kUnsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
constexpr const char* kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";

class TracerTest : public testing::Test {
 protected:
  Tracer make(const Sampler& sampler = Sampler(), std::size_t service = 0) {
    return {queue, service, sampler, ids, labels};
  }
  static void record(Tracer& tracer, const SpanIds& span, std::string_view name = "x") {
    tracer.record(span, SpanKind::Server, name, Clock::now(), Clock::now(), [](SpanWriter&) {});
  }
  std::vector<ReadSpan> spans() {
    std::vector<ReadSpan> all;
    for (const SpanBatch& batch : queue.take()) {
      for (ReadSpan& span : read_spans(batch.spans)) {
        all.push_back(std::move(span));
      }
    }
    return all;
  }

  std::atomic<std::size_t> backlog{0};
  Counter dropped;
  int woken = 0;
  Labels labels;
  IdSource ids;
  SpanQueue queue{2, backlog, dropped, [this] { ++woken; }};
};

TEST_F(TracerTest, GoesOnWithATraceAndBeginsOne) {
  Tracer tracer = make();
  TraceContext own;
  const SpanIds span = tracer.begin({kParent, "vendor=1"}, own);
  EXPECT_EQ(span.parent, 0x00f067aa0ba902b7U);
  EXPECT_EQ(trace_id(own.traceparent), kTrace);
  EXPECT_EQ(parse_traceparent(own.traceparent).span, span.span) << "what is passed on names the span that is recorded";
  EXPECT_TRUE(parse_traceparent(own.traceparent).is_sampled);
  EXPECT_EQ(own.tracestate, "vendor=1");

  const SpanIds root = tracer.begin({}, own);
  EXPECT_EQ(root.parent, 0U);
  ASSERT_TRUE(is_traceparent(own.traceparent));
  EXPECT_NE(trace_id(own.traceparent), kTrace);
  TraceContext below = own;
  const SpanIds child = tracer.begin_child(below, below);
  EXPECT_EQ(child.parent, root.span);
  EXPECT_EQ(child.trace, root.trace);
  EXPECT_EQ(parse_traceparent(below.traceparent).span, child.span);
  EXPECT_FALSE(tracer.begin_child({}, below).is_recorded());
  EXPECT_EQ(below.traceparent, "");
}

TEST_F(TracerTest, PassesOnThatATraceIsNotRecorded) {
  for (const auto& [sampler, given] :
       {std::pair(Sampler(), kUnsampled), std::pair(Sampler(Sampler::Root::AlwaysOff), ""),
        std::pair(Sampler(Sampler::Root::AlwaysOff, false), kParent)}) {
    Tracer tracer = make(sampler);
    TraceContext own;
    const SpanIds span = tracer.begin({given, ""}, own);
    EXPECT_FALSE(span.is_recorded());
    ASSERT_TRUE(is_traceparent(own.traceparent)) << own.traceparent;
    EXPECT_FALSE(parse_traceparent(own.traceparent).is_sampled);
    TraceContext below;
    EXPECT_FALSE(tracer.begin_child(own, below).is_recorded());
    EXPECT_EQ(trace_id(below.traceparent), trace_id(own.traceparent));
    record(tracer, span);
  }
  EXPECT_TRUE(spans().empty());
  EXPECT_EQ(dropped.value(), 0U);
}

TEST_F(TracerTest, GathersSpansByService) {
  Tracer first = make();
  Tracer second = make(Sampler(), 1);
  TraceContext own;
  const auto before = std::chrono::system_clock::now().time_since_epoch();
  record(first, first.begin({}, own), "a");
  EXPECT_EQ(woken, 1) << "somebody has to come for it";
  record(second, second.begin({}, own), "b");
  record(first, first.begin({}, own), "c");
  EXPECT_EQ(woken, 1);
  const auto batches = queue.take();
  ASSERT_EQ(batches.size(), 2U);
  EXPECT_EQ(batches[0].service, 0U);
  EXPECT_EQ(batches[0].count, 2U);
  EXPECT_EQ(batches[1].service, 1U);
  EXPECT_EQ(batches[1].count, 1U);
  EXPECT_EQ(backlog, batches[0].spans.size() + batches[1].spans.size());
  const auto read = read_spans(batches[0].spans);
  EXPECT_EQ(read.at(0).name + read.at(1).name, "ac");
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  EXPECT_GE(std::chrono::nanoseconds(read[0].start), before - std::chrono::milliseconds(1));
  EXPECT_LE(std::chrono::nanoseconds(read[0].end), now + std::chrono::milliseconds(1));
  EXPECT_TRUE(queue.take().empty());
  record(first, first.begin({}, own));
  EXPECT_EQ(woken, 2);
}

TEST_F(TracerTest, DropsAndCountsWhatHasNoRoom) {
  Tracer tracer = make();
  TraceContext own;
  constexpr std::uint32_t kRoom = 2 * SpanQueue::kBatchSpans;
  for (std::uint32_t i = 0; i < kRoom + 3; ++i) {
    record(tracer, tracer.begin({}, own));
  }
  EXPECT_EQ(woken, 2) << "for the first, and for a batch";
  EXPECT_EQ(dropped.value(), 3U);
  EXPECT_EQ(spans().size(), kRoom);

  backlog = SpanQueue::kMaxBacklog;  // nobody takes what was handed over
  record(tracer, tracer.begin({}, own));
  EXPECT_EQ(dropped.value(), 4U);
  backlog = 0;
  record(tracer, tracer.begin({}, own));
  EXPECT_EQ(spans().size(), 1U);
}

TEST_F(TracerTest, BoundsTheBytesThatWait) {
  Tracer tracer = make();
  TraceContext own;
  std::size_t bytes = 0;
  for (int i = 0; i < 2000; ++i) {
    tracer.record(tracer.begin({}, own), SpanKind::Server, "x", Clock::now(), Clock::now(), [](SpanWriter& span) {
      for (int j = 0; j < 20; ++j) {
        span.attribute("a", std::string_view(std::string(kMaxAttributeBytes, 'x')));
      }
    });
  }
  for (const SpanBatch& batch : queue.take()) {
    bytes += batch.spans.size();
  }
  EXPECT_GT(bytes, SpanQueue::kBatchBytes);
  EXPECT_LT(bytes, 3 * SpanQueue::kBatchBytes);
}

TEST_F(TracerTest, RecordsARequestOfOursWhetherItEndsOrIsGivenUp) {
  Tracer tracer = make();
  TraceContext own;
  {
    ClientSpan ended(tracer, "publish", "broker/priced", {kParent, ""}, own);
    EXPECT_EQ(trace_id(own.traceparent), kTrace);
    ended.end(Reason::Ok, 204);
  }
  const std::uint64_t named = parse_traceparent(own.traceparent).span;
  {
    const ClientSpan given_up(tracer, "get state", "store", {kParent, ""}, own);
  }
  {
    const ClientSpan unsampled(tracer, "get state", "store", {kUnsampled, ""}, own);
  }
  const auto read = spans();
  ASSERT_EQ(read.size(), 2U);
  EXPECT_EQ(read[0].name, "publish broker/priced");
  EXPECT_EQ(read[0].kind, 3U);
  EXPECT_EQ(read[0].parent, "00f067aa0ba902b7");
  EXPECT_EQ(read[0].id, fmt::format("{:016x}", named));
  EXPECT_EQ(read[0].attributes.at("http.response.status_code"), "204");
  EXPECT_EQ(read[0].status, 0U);
  EXPECT_EQ(read[1].attributes.at("trilby.reason"), "cancelled");
  EXPECT_EQ(read[1].status, 2U);
}

}  // namespace
}  // namespace trilby::observe
