#include "app/admin_calls.h"

#include <gtest/gtest.h>

namespace trilby::app {
namespace {

using namespace std::chrono_literals;
using observe::EndedCall;

struct AdminCalls : ::testing::Test {
  AdminCalls() {
    labels.add_function("gray");
    labels.add_function("classify");
  }
  static EndedCall call(std::size_t function, Clock::duration ago, Reason reason = Reason::Ok) {
    EndedCall made;
    made.ended = kNow - ago;
    made.function = function;
    made.reason = reason;
    made.status = 200;
    made.id = "id-of-the-request-1";
    made.record.wall = 1500us;
    made.record.memory_peak = Bytes{131072};
    made.record.input = Bytes{5};
    return made;
  }
  static constexpr Clock::time_point kNow{1h};
  const Moment now{kNow, std::chrono::system_clock::time_point(1'000'000'000s)};
  observe::Labels labels;
};

TEST_F(AdminCalls, ReadsWhatIsAsked) {
  const CallQuery all = parse_call_query("", labels).value();
  EXPECT_TRUE(all.wants(call(0, 1s)));
  EXPECT_EQ(all.form, CallQuery::Form::Json);
  const CallQuery some = parse_call_query("function=classify&reason=limit-memory&limit=7&format=tsv", labels).value();
  EXPECT_TRUE(some.wants(call(1, 1s, Reason::LimitMemory)));
  EXPECT_FALSE(some.wants(call(0, 1s, Reason::LimitMemory)));
  EXPECT_FALSE(some.wants(call(1, 1s, Reason::Ok)));
  EXPECT_EQ(some.limit, 7U);
  EXPECT_EQ(some.form, CallQuery::Form::Tsv);
}

TEST_F(AdminCalls, RefusesWhatItDoesNotKnow) {
  for (const char* query :
       {"function=grey", "function=", "reason=bored", "limit=-1", "limit=10001", "limit=99999999999999999999",
        "limit=", "format=xml", "fucntion=gray", "=", "&&", "function=gray%20", "a\x1b[2J=\xff"}) {
    const auto parsed = parse_call_query(query, labels);
    ASSERT_FALSE(parsed) << query;
    EXPECT_EQ(parsed.error().reason, Reason::BadRequest);
    EXPECT_EQ(parsed.error().message.find('\x1b'), std::string::npos);
  }
}

TEST_F(AdminCalls, PutsTheNewestOfAllLoopsFirst) {
  CallQuery query;
  query.limit = 3;
  const auto newest = newest_of({{call(0, 1s), call(0, 4s)}, {}, {call(1, 2s), call(1, 3s)}}, query);
  ASSERT_EQ(newest.size(), 3U);
  EXPECT_EQ(newest[0].ended, kNow - 1s);
  EXPECT_EQ(newest[1].ended, kNow - 2s);
  EXPECT_EQ(newest[2].ended, kNow - 3s);
}

TEST_F(AdminCalls, SaysTheSameInBothForms) {
  const std::vector<EndedCall> calls = {call(0, 0s)};
  const std::string json = render_calls(calls, labels, CallQuery::Form::Json, now);
  EXPECT_TRUE(json.starts_with(
      R"({"calls":[{"time":"2001-09-09T01:46:40.000Z","function":"gray","reason":"ok","status":200,"request_id":"id-of-the-request-1",)"))
      << json;
  EXPECT_NE(json.find(R"("wall_seconds":0.0015,)"), std::string::npos) << json;
  const std::string tsv = render_calls(calls, labels, CallQuery::Form::Tsv, now);
  EXPECT_TRUE(tsv.starts_with("time\tfunction\treason\tstatus\trequest_id\t")) << tsv;
  EXPECT_NE(tsv.find("\n2001-09-09T01:46:40.000Z\tgray\tok\t200\tid-of-the-request-1\t"), std::string::npos) << tsv;
  EXPECT_NE(tsv.find("\t131072\t"), std::string::npos);
  EXPECT_EQ(render_calls({}, labels, CallQuery::Form::Json, now), "{\"calls\":[]}\n");
  EXPECT_EQ(render_calls({}, labels, CallQuery::Form::Tsv, now), "");
}

TEST_F(AdminCalls, ShowTimesThatNoJumpOfTheClockMixesUp) {
  // The wall clock went back an hour between the two calls; what is shown follows the clock that never jumps.
  const std::vector<EndedCall> calls = {call(0, 1s), call(0, 61s)};
  const std::string tsv = render_calls(calls, labels, CallQuery::Form::Tsv, now);
  EXPECT_NE(tsv.find("T01:46:39.000Z"), std::string::npos) << tsv;
  EXPECT_NE(tsv.find("T01:45:39.000Z"), std::string::npos) << tsv;
}

}  // namespace
}  // namespace trilby::app
