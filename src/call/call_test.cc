#include "call/call.h"

#include <vector>

#include <gtest/gtest.h>

namespace trilby {
namespace {

TEST(Fields, CompareNamesWithoutCase) {
  Fields fields{{"Content-Type", "a"}, {"x", "1"}, {"X", "2"}};
  EXPECT_EQ(*fields.find("content-type"), "a");
  EXPECT_EQ(fields.count("x"), 2U);
  fields.set("X", "3");
  EXPECT_EQ(fields.count("x"), 1U);
  EXPECT_EQ(*fields.find("x"), "3");
  fields.remove("CONTENT-TYPE");
  EXPECT_EQ(fields.find("content-type"), nullptr);
}

TEST(Cancellation, TellsItsListenerOnce) {
  Cancellation cancellation;
  std::vector<Reason> heard;
  cancellation.listen([&](Reason why) { heard.push_back(why); });
  cancellation.cancel(Reason::Draining);
  cancellation.cancel(Reason::Cancelled);
  EXPECT_EQ(heard, std::vector<Reason>{Reason::Draining});
  EXPECT_EQ(cancellation.why(), Reason::Draining);
}

TEST(Refusal, TakesItsStatusFromTheTable) {
  EXPECT_EQ(refusal(Reason::BodyTooLarge).status, 413);
  const Outcome outcome = refusal(Error{Reason::Internal, "disk /secret is full"});
  EXPECT_EQ(outcome.message, "disk /secret is full");
  EXPECT_TRUE(outcome.detail.empty());
}

}  // namespace
}  // namespace trilby
