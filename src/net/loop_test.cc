#include "net/loop.h"

#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace trilby::net {
namespace {

using namespace std::chrono_literals;

TEST(Loop, RunsPostedWorkInOrderOnItsThread) {
  Loop loop;
  std::vector<int> order;
  std::thread::id thread;
  for (int i = 0; i < 3; ++i) {
    loop.post([&order, i] { order.push_back(i); });
  }
  std::thread poster([&] {
    loop.post([&] {
      thread = std::this_thread::get_id();
      EXPECT_TRUE(loop.in_loop_thread());
      loop.stop();
    });
  });
  loop.run();
  poster.join();
  EXPECT_EQ(order, (std::vector{0, 1, 2}));
  EXPECT_EQ(thread, std::this_thread::get_id());
  EXPECT_FALSE(loop.in_loop_thread());
}

TEST(Loop, WakesForWorkPostedByAnotherThread) {
  Loop loop;
  std::thread runner([&] { loop.run(); });
  loop.post([&] { loop.post([&] { loop.stop(); }); });
  runner.join();
}

TEST(Loop, DropsUnrunWorkWhenItEnds) {
  auto held = std::make_shared<int>(1);
  {
    Loop loop;
    loop.stop();
    loop.post([held] { FAIL(); });
    loop.run();
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST(Timer, CallsBackOnceNotBeforeItsTime) {
  Loop loop;
  Timer timer(loop);
  const auto begin = Clock::now();
  int calls = 0;
  timer.start(5ms, [&] {
    ++calls;
    EXPECT_GE(Clock::now() - begin, 5ms);
    EXPECT_FALSE(timer.running());
    loop.stop();
  });
  EXPECT_TRUE(timer.running());
  loop.run();
  EXPECT_EQ(calls, 1);
}

TEST(Timer, AnEarlierOneIsNotHeldUpByALaterOne) {
  Loop loop;
  Timer late(loop);
  Timer early(loop);
  late.start(1h, [] { FAIL(); });
  early.start(1ms, [&] { loop.stop(); });
  loop.run();
}

TEST(Timer, ALaterOneStillComesWhenTheEarlierWasCancelled) {
  Loop loop;
  Timer early(loop);
  Timer late(loop);
  early.start(1ms, [] { FAIL(); });
  late.start(3ms, [&] { loop.stop(); });
  early.cancel();
  EXPECT_FALSE(early.running());
  loop.run();
}

TEST(Timer, IsSilentWhenDestroyed) {
  Loop loop;
  std::optional<Timer> gone(std::in_place, loop);
  gone->start(0ms, [] { FAIL(); });
  gone.reset();
  Timer end(loop);
  end.start(2ms, [&] { loop.stop(); });
  loop.run();
}

TEST(Timer, MayBeDestroyedByItsOwnCallback) {
  Loop loop;
  std::optional<Timer> timer(std::in_place, loop);
  timer->start(0ms, [&] {
    timer.reset();
    loop.stop();
  });
  loop.run();
  EXPECT_FALSE(timer.has_value());
}

TEST(Timer, TheLongestTimeIsNever) {
  Loop loop;
  Timer never(loop);
  never.start(Duration::max(), [] { FAIL(); });
  Timer end(loop);
  end.start(1ms, [&] { loop.stop(); });
  loop.run();
  EXPECT_TRUE(never.running());
}

}  // namespace
}  // namespace trilby::net
