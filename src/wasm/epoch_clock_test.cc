#include "wasm/epoch_clock.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

namespace trilby::wasm {
namespace {

using namespace std::chrono_literals;

struct CountingClock {
  std::atomic<int> ticks{0};
  std::atomic<Clock::time_point> last{};
  EpochClock clock{[this] {
    last = Clock::now();
    ++ticks;
  }};

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

  /// Whether it comes to a while in which it ticks faster than one that only looks now and then could, or in which it
  /// does not. A busy machine delays both.
  bool comes_to_tick_fast(bool fast) {
    for (const auto end = Clock::now() + 20s; Clock::now() < end;) {
      if (ticks_fast(50ms) == fast) {
        return true;
      }
    }
    return false;
  }

  bool ticks_fast(Duration during) {
    const auto began = Clock::now();
    const int before = ticks;
    std::this_thread::sleep_for(during);
    const int seen = ticks - before;
    return seen > (Clock::now() - began) / kWatchedTick + 2;
  }
};

TEST(EpochClock, SleepsWhileNobodyIsThere) {
  CountingClock counting;
  EXPECT_TRUE(counting.parks());
  counting.clock.enter(true);
  EXPECT_TRUE(counting.comes_to_tick_fast(true));
  counting.clock.leave(true);
  EXPECT_EQ(counting.clock.live(), 0U);
  EXPECT_TRUE(counting.parks());
}

TEST(EpochClock, LooksNowAndThenWhileGuestsAreShort) {
  CountingClock counting;
  EXPECT_TRUE(counting.parks());
  EXPECT_EQ(counting.clock.enter(false), 1U);
  EXPECT_FALSE(counting.ticks_fast(300ms));
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
  EXPECT_TRUE(counting.comes_to_tick_fast(true));
  counting.clock.leave(true);
  EXPECT_TRUE(counting.comes_to_tick_fast(false));
}

TEST(EpochClock, DoesNotWaitForWhatWasLeftOfASlowerTick) {
  CountingClock counting;
  counting.clock.enter(false);
  bool at_once = false;
  for (int tries = 0; tries < 50 && !at_once; ++tries) {  // for others may have the cores
    ASSERT_TRUE(counting.comes_to_tick_fast(false));
    const int before = counting.ticks + 1;
    while (counting.ticks < before) {
    }
    const Clock::time_point last = counting.last;  // the next one is due a slower tick after that
    counting.clock.enter(true);
    std::this_thread::sleep_until(last + kWatchedTick / 2);
    at_once = counting.ticks - before >= 3 && Clock::now() - last < kWatchedTick;
    counting.clock.leave(true);
  }
  EXPECT_TRUE(at_once);
}

TEST(CallHistory, TrustsWhatWasShortForLong) {
  CallHistory history;
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(history.may_be_long());
    history.note_short();
  }
  EXPECT_FALSE(history.may_be_long());
  history.note_long();
  EXPECT_TRUE(history.may_be_long());
}

TEST(CallHistory, TakesThoseForCallsThatComputeWhichCostSome) {
  CallHistory history;
  EXPECT_TRUE(history.computes()) << "nobody knows yet";
  for (int i = 0; i < 100; ++i) {
    history.note_short();
    history.note_cost(std::chrono::microseconds(100));
  }
  EXPECT_FALSE(history.computes());
  for (int i = 0; i < 100; ++i) {
    history.note_short();
    history.note_cost(std::chrono::microseconds(400));
  }
  EXPECT_TRUE(history.computes());
  EXPECT_FALSE(history.may_be_long()) << "it is not interrupted for that";
}

}  // namespace
}  // namespace trilby::wasm
