#include "wasm/epoch_clock.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

namespace trilby::wasm {
namespace {

using namespace std::chrono_literals;

struct CountingClock {
  std::atomic<int> ticks{0};
  EpochClock clock{[this] { ++ticks; }};

  /// Whether it has come to rest, which it may do after a while.
  bool parks() {
    for (const auto end = Clock::now() + 20s; Clock::now() < end;) {
      const int before = ticks;
      std::this_thread::sleep_for(50ms);
      if (ticks == before) {
        return true;
      }
    }
    return false;
  }

  /// Whether it comes to tick faster than one that only looks now and then could; a busy machine delays that.
  bool ticks_fast() {
    for (const auto end = Clock::now() + 20s; Clock::now() < end;) {
      if (ticks_beyond_a_look_now_and_then(40ms)) {
        return true;
      }
    }
    return false;
  }

  bool ticks_beyond_a_look_now_and_then(Duration during) {
    const int before = ticks;
    const auto began = Clock::now();
    std::this_thread::sleep_for(during);
    const int seen = ticks - before;
    return seen > (Clock::now() - began) / kWatchedTick + 2;
  }
};

TEST(EpochClock, SleepsWhileNobodyIsThere) {
  CountingClock counting;
  EXPECT_TRUE(counting.parks());
  counting.clock.enter(true);
  EXPECT_TRUE(counting.ticks_fast());
  counting.clock.leave(true);
  EXPECT_EQ(counting.clock.live(), 0U);
  EXPECT_TRUE(counting.parks());
}

TEST(EpochClock, LooksNowAndThenWhileGuestsAreShort) {
  CountingClock counting;
  EXPECT_TRUE(counting.parks());
  EXPECT_EQ(counting.clock.enter(false), 1U);
  EXPECT_FALSE(counting.ticks_beyond_a_look_now_and_then(300ms));
  const int before = counting.ticks;
  while (counting.ticks < before + 3) {  // or it does not end
    std::this_thread::sleep_for(1ms);
  }
}

TEST(EpochClock, TicksOnceOneOfThemIsLongAndSlowsDownAfterThat) {
  CountingClock counting;
  counting.clock.enter(false);
  counting.clock.enter(false);
  counting.clock.expect_long();
  EXPECT_TRUE(counting.ticks_fast());
  counting.clock.leave(true);
  std::this_thread::sleep_for(400ms);
  EXPECT_FALSE(counting.ticks_beyond_a_look_now_and_then(300ms));
}

TEST(SliceHistory, TrustsWhatWasShortForLong) {
  SliceHistory slices;
  for (int i = 0; i < 99; ++i) {
    slices.note(1us);
    EXPECT_TRUE(slices.may_be_long());
  }
  slices.note(kTick - 1ns);
  EXPECT_FALSE(slices.may_be_long());
  slices.note(kTick);
  EXPECT_TRUE(slices.may_be_long());
}

}  // namespace
}  // namespace trilby::wasm
