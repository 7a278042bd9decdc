#include "observe/trace.h"

#include <gtest/gtest.h>

namespace trilby::observe {
namespace {

constexpr std::string_view kParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(Trace, AcceptsWhatTheSpecificationAllows) {
  EXPECT_TRUE(is_traceparent(kParent));
  EXPECT_TRUE(is_traceparent("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes-later"));
  EXPECT_EQ(trace_id(kParent), "4bf92f3577b34da6a3ce929d0e0e4736");
}

TEST(Trace, RefusesWhatItForbids) {
  for (const std::string_view text : {
           "",
           "00",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
           "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",    // upper case
           "00-00000000000000000000000000000000-00f067aa0ba902b7-01",    // zero trace id
           "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",    // zero parent id
           "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",    // forbidden version
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",  // version 00 has no more fields
           "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",   // no separator
           "00-4bf92f3577b34da6a3ce929d0e0e473\n-00f067aa0ba902b7-01",
       }) {
    EXPECT_FALSE(is_traceparent(text)) << text;
    EXPECT_TRUE(accept_trace(text, "a=b").tracestate.empty()) << text;
  }
}

TEST(Trace, IsTakenOverFromALaterVersion) {
  const TraceContext given = accept_trace("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later", "vendor=1");
  EXPECT_EQ(given.traceparent, kParent);
  EXPECT_EQ(given.tracestate, "vendor=1");
}

TEST(Trace, IsNumbers) {
  const ParsedTraceparent parsed = parse_traceparent(kParent);
  EXPECT_EQ(parsed.trace[0], 0x4bf92f3577b34da6U);
  EXPECT_EQ(parsed.trace[1], 0xa3ce929d0e0e4736U);
  EXPECT_EQ(parsed.span, 0x00f067aa0ba902b7U);
  EXPECT_TRUE(parsed.is_sampled);
  EXPECT_EQ(make_traceparent(parsed), kParent);
  EXPECT_FALSE(parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fe").is_sampled);
  EXPECT_TRUE(parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff").is_sampled);
  EXPECT_EQ(make_traceparent({{0, 1}, UINT64_MAX, false}), "00-00000000000000000000000000000001-ffffffffffffffff-00");
}

TEST(Trace, LeavesOutAStateThatIsTooLongOrUnsafe) {
  EXPECT_EQ(accept_trace(kParent, std::string(512, 'a')).tracestate.size(), 512U);
  EXPECT_EQ(accept_trace(kParent, std::string(513, 'a')).tracestate, "");
  EXPECT_EQ(accept_trace(kParent, "a=\x01").tracestate, "");
}

}  // namespace
}  // namespace trilby::observe
