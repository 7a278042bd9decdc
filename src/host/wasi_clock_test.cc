#include "host/wasi_clock.h"

#include <gtest/gtest.h>

namespace trilby::host {
namespace {

using policy::ClockKind;

TEST(GuestClock, TellsWholeMillisecondsUnlessItIsPrecise) {
  GuestClock coarse(ClockKind::Coarse);
  EXPECT_EQ(coarse.resolution(), 1'000'000U);
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(coarse.read(kMonotonic) % 1'000'000, 0U);
    ASSERT_EQ(coarse.read(kRealtime) % 1'000'000, 0U);
  }
  EXPECT_EQ(GuestClock(ClockKind::Precise).resolution(), 1U);
}

TEST(GuestClock, NeverGoesBack) {
  for (const ClockKind kind : {ClockKind::Coarse, ClockKind::Precise, ClockKind::Fixed}) {
    GuestClock clock(kind);
    std::uint64_t last = 0;
    for (int i = 0; i < 1000; ++i) {
      const std::uint64_t now = clock.read(kMonotonic);
      ASSERT_GE(now, last);
      last = now;
    }
  }
}

TEST(GuestClock, FixedIsTheSameEachTimeAndGoesOnWhenItIsRead) {
  GuestClock one(ClockKind::Fixed);
  GuestClock other(ClockKind::Fixed);
  EXPECT_EQ(one.read(kRealtime), 946'684'800'000'000'000U);
  EXPECT_EQ(one.read(kRealtime), 946'684'800'001'000'000U);
  EXPECT_EQ(one.peek(kMonotonic), 2'000'000U);
  EXPECT_EQ(one.peek(kMonotonic), 2'000'000U);
  other.advance(2'000'000);
  EXPECT_EQ(other.peek(kRealtime), one.peek(kRealtime));
}

TEST(GuestClock, FixedDoesNotWrap) {
  GuestClock clock(ClockKind::Fixed);
  for (int i = 0; i < 40; ++i) {
    clock.advance(1ULL << 60U);
  }
  EXPECT_LT(clock.peek(kMonotonic), 1ULL << 61U);
  EXPECT_GT(clock.peek(kRealtime), clock.peek(kMonotonic));
}

}  // namespace
}  // namespace trilby::host
