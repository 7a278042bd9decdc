#include "observe/call_ring.h"

#include <gtest/gtest.h>

namespace trilby::observe {
namespace {

EndedCall call(int number, Reason reason = Reason::Ok) {
  EndedCall made;
  made.id = "call-" + std::to_string(number);
  made.reason = reason;
  return made;
}

std::string ids(const std::vector<EndedCall>& calls) {
  std::string out;
  for (const EndedCall& one : calls) {
    out += one.id.substr(5) + " ";
  }
  return out;
}

const CallRing::Wanted kAll = [](const EndedCall&) { return true; };

TEST(CallRing, GivesTheNewestFirst) {
  CallRing ring(4);
  EXPECT_EQ(ids(ring.newest(10, kAll)), "");
  for (int i = 1; i <= 3; ++i) {
    ring.add(call(i));
  }
  EXPECT_EQ(ids(ring.newest(10, kAll)), "3 2 1 ");
  EXPECT_EQ(ids(ring.newest(2, kAll)), "3 2 ");
  EXPECT_EQ(ids(ring.newest(0, kAll)), "");
}

TEST(CallRing, ForgetsTheOldest) {
  CallRing ring(3);
  for (int i = 1; i <= 8; ++i) {
    ring.add(call(i));
    EXPECT_EQ(ring.newest(1, kAll).at(0).id, "call-" + std::to_string(i));
  }
  EXPECT_EQ(ids(ring.newest(10, kAll)), "8 7 6 ");
}

TEST(CallRing, LooksBehindWhatIsNotWanted) {
  CallRing ring(5);
  for (int i = 1; i <= 7; ++i) {
    ring.add(call(i, i == 3 || i == 4 ? Reason::Trap : Reason::Ok));
  }
  EXPECT_EQ(ids(ring.newest(1, [](const EndedCall& one) { return one.reason == Reason::Trap; })), "4 ");
  EXPECT_EQ(ids(ring.newest(9, [](const EndedCall& one) { return one.reason == Reason::Trap; })), "4 3 ");
}

}  // namespace
}  // namespace trilby::observe
