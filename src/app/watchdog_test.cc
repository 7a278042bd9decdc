#include "app/watchdog.h"

#include <future>
#include <thread>

#include <gtest/gtest.h>

namespace trilby::app {
namespace {

/// A loop that runs on a thread of its own.
struct RunningLoop {
  RunningLoop() : thread([this] { loop.run(); }) {}
  ~RunningLoop() {
    loop.stop();
    thread.join();
  }
  RunningLoop(const RunningLoop&) = delete;
  RunningLoop& operator=(const RunningLoop&) = delete;

  /// Returns when all that was posted before has run.
  void settle() {
    std::promise<void> done;
    loop.post([&] { done.set_value(); });
    done.get_future().wait();
  }

  [[nodiscard]] Watchdog::Target target(bool own = false) { return {loop, metrics, own}; }

  net::Loop loop;
  observe::StallMetrics metrics;
  std::thread thread;
};

/// Holds a loop's thread, like a host function that does not return.
struct Blockage {
  explicit Blockage(RunningLoop& target) {
    std::promise<void> entered;
    target.loop.post([&entered, release = release.get_future().share()] {
      entered.set_value();
      release.wait();
    });
    entered.get_future().wait();
  }
  void end() { release.set_value(); }
  std::promise<void> release;
};

void look_often(Watchdog& watchdog, std::uint32_t times) {
  for (std::uint32_t i = 0; i < times; ++i) {
    watchdog.look();
  }
}

TEST(Watchdog, HasNothingToSayOfLoopsThatTurn) {
  RunningLoop running;
  Watchdog watchdog({running.target()});
  for (int i = 0; i < 50; ++i) {
    watchdog.look();
    running.settle();
  }
  EXPECT_EQ(running.metrics.stalls.value(), 0U);
  EXPECT_FALSE(watchdog.stuck());
  EXPECT_GT(running.metrics.longest_wait.value(), 0);
}

TEST(Watchdog, CountsEachStallOnceAndSeesItsEnd) {
  RunningLoop running;
  RunningLoop other;
  Watchdog watchdog({other.target(), running.target()});
  const auto look = [&](std::uint32_t times) {
    for (std::uint32_t i = 0; i < times; ++i) {
      other.settle();
      watchdog.look();
    }
  };
  for (std::uint64_t stall = 1; stall <= 3; ++stall) {
    Blockage blockage(running);
    look(1 + Watchdog::kStalled - 1);  // the first one asks
    EXPECT_EQ(running.metrics.stalls.value(), stall - 1);
    look(1);
    EXPECT_EQ(running.metrics.stalls.value(), stall);
    look(5);
    EXPECT_EQ(running.metrics.stalls.value(), stall);
    blockage.end();
    running.settle();
    look(1);  // sees that it turned, and asks again
    running.settle();
    look(1);
    running.settle();
    EXPECT_EQ(running.metrics.stalls.value(), stall);
    EXPECT_EQ(other.metrics.stalls.value(), 0U);
    EXPECT_FALSE(watchdog.stuck());
  }
}

TEST(Watchdog, SaysWhenALoopIsStuckAndWhenNoMore) {
  RunningLoop running;
  Watchdog watchdog({running.target()});
  Blockage blockage(running);
  look_often(watchdog, Watchdog::kStuck);  // the first one asks
  EXPECT_FALSE(watchdog.stuck());
  watchdog.look();
  EXPECT_TRUE(watchdog.stuck());
  blockage.end();
  running.settle();
  watchdog.look();
  EXPECT_FALSE(watchdog.stuck());
}

TEST(Watchdog, BearsWithLoopsForFilesForTenSecondsAndNeverCallsThemStuck) {
  RunningLoop running;
  Watchdog watchdog({running.target(true)});
  Blockage blockage(running);
  look_often(watchdog, Watchdog::kStuck);  // the first one asks
  EXPECT_EQ(running.metrics.stalls.value(), 0U);
  watchdog.look();
  EXPECT_EQ(running.metrics.stalls.value(), 1U);
  look_often(watchdog, Watchdog::kStuck);
  EXPECT_EQ(running.metrics.stalls.value(), 1U);
  EXPECT_FALSE(watchdog.stuck());
  blockage.end();
  running.settle();
}

TEST(Watchdog, LooksByItselfAndStopsWhenTold) {
  RunningLoop running;
  Watchdog watchdog({running.target()});
  watchdog.start();
  while (running.metrics.longest_wait.value() == 0) {
    running.settle();
  }
}

TEST(Watchdog, MayEndWhileALoopStandsStill) {
  RunningLoop running;
  Blockage blockage(running);
  {
    Watchdog watchdog({running.target()});
    look_often(watchdog, 3);
    EXPECT_EQ(running.metrics.stalls.value(), 1U);
  }
  blockage.end();
  running.settle();
}

}  // namespace
}  // namespace trilby::app
