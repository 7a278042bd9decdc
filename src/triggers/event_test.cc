#include "triggers/event.h"

#include <gtest/gtest.h>

namespace trilby::triggers {
namespace {

Verdict verdict_of(Reason reason, FailureRules rules = {}) {
  return judge(refusal(reason), rules);
}

Verdict verdict_of_status(int status) {
  Outcome outcome;
  outcome.reason = Reason::Ok;
  outcome.status = status;
  return judge(outcome, {});
}

TEST(Judge, DropsWhatWouldBeRefusedAgain) {
  for (const Reason reason : {Reason::BadInput, Reason::BadRequest, Reason::BodyTooLarge, Reason::HeadTooLarge}) {
    EXPECT_EQ(verdict_of(reason), Verdict::Drop) << name(reason);
    EXPECT_EQ(verdict_of(reason, {Verdict::Retry, Verdict::Drop}), Verdict::Retry) << name(reason);
  }
}

TEST(Judge, HasEverythingElseBroughtAgain) {
  for (std::size_t i = 0; i < kReasonCount; ++i) {
    const auto reason = static_cast<Reason>(i);
    if (reason == Reason::Ok || is_bad_input(reason)) {
      continue;
    }
    EXPECT_EQ(verdict_of(reason), Verdict::Retry) << name(reason);
    EXPECT_EQ(verdict_of(reason, {Verdict::Retry, Verdict::Drop}), Verdict::Drop) << name(reason);
  }
}

TEST(Judge, CountsAFunctionsOwnAnswerByItsStatus) {
  EXPECT_EQ(verdict_of_status(200), Verdict::Success);
  EXPECT_EQ(verdict_of_status(204), Verdict::Success);
  EXPECT_EQ(verdict_of_status(404), Verdict::Drop);
  for (const int status : {302, 400, 429, 500, 503}) {
    EXPECT_EQ(verdict_of_status(status), Verdict::Retry) << status;
  }
}

TEST(Event, TellsEachVariableOnceAndWithinBounds) {
  Event event;
  EXPECT_TRUE(event.tell("A", "1"));
  EXPECT_EQ(event.tell("A", "2").error().reason, Reason::BadRequest);
  EXPECT_EQ(event.tell("B", std::string_view("x\0y", 3)).error().reason, Reason::BadRequest);
  EXPECT_EQ(event.tell("C", std::string(kMaxEventVariableBytes, 'x')).error().reason, Reason::HeadTooLarge);
  for (std::size_t i = 1; i < kMaxEventVariables; ++i) {
    ASSERT_TRUE(event.tell("N" + std::to_string(i), ""));
  }
  EXPECT_EQ(event.tell("ONE_MORE", "").error().reason, Reason::HeadTooLarge);
  EXPECT_EQ(event.variables.size(), kMaxEventVariables);
}

TEST(Event, NamesVariables) {
  EXPECT_EQ(variable_suffix("x-My.key"), "X_MY_KEY");
  EXPECT_EQ(variable_suffix("caf\xC3\xA9"), "CAF__");
  EXPECT_LE(variable_suffix(std::string(5000, 'x')).size(), 128U);
}

TEST(Event, BecomesACall) {
  Event event;
  event.data = "data";
  event.content_type = "text/plain";
  ASSERT_TRUE(event.tell("CE_ID", "1"));
  Call call;
  call.fields = {{"Content-Type", "application/cloudevents+json"}};
  give(std::move(event), call);
  EXPECT_EQ(call.body->take_ready(), "data");
  EXPECT_EQ(call.fields.count("content-type"), 1U);
  EXPECT_EQ(*call.fields.find("content-type"), "text/plain");
  EXPECT_EQ(*call.variables.find("CE_ID"), "1");
}

}  // namespace
}  // namespace trilby::triggers
