#include "net/timer_queue.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace trilby::net {
namespace {

using namespace std::chrono_literals;

constexpr Clock::time_point kStart{1000s};

struct TimerQueueTest : testing::Test {
  TimerQueue queue;
  std::vector<int> fired;

  std::function<void()> note(int number) {
    return [this, number] { fired.push_back(number); };
  }
};

TEST_F(TimerQueueTest, CallsInTheOrderTheyAreDue) {
  TimerQueue::Entry a;
  TimerQueue::Entry b;
  TimerQueue::Entry c;
  queue.start(a, kStart + 3s, note(3));
  queue.start(b, kStart + 1s, note(1));
  queue.start(c, kStart + 2s, note(2));
  EXPECT_EQ(queue.wake_at(), kStart + 1s);
  queue.run_due(kStart + 2s);
  EXPECT_EQ(fired, (std::vector{1, 2}));
  queue.run_due(kStart + 3s);
  EXPECT_EQ(fired, (std::vector{1, 2, 3}));
  EXPECT_EQ(queue.wake_at(), Clock::time_point::max());
}

TEST_F(TimerQueueTest, RestartingLaterPutsOff) {
  TimerQueue::Entry entry;
  queue.start(entry, kStart + 1s, note(1));
  queue.start(entry, kStart + 5s, note(2));
  queue.run_due(kStart + 4s);
  EXPECT_TRUE(fired.empty());
  EXPECT_EQ(queue.wake_at(), kStart + 5s);
  queue.run_due(kStart + 5s);
  EXPECT_EQ(fired, std::vector{2});
}

TEST_F(TimerQueueTest, RestartingEarlierBringsForward) {
  TimerQueue::Entry entry;
  queue.start(entry, kStart + 5s, note(1));
  queue.start(entry, kStart + 1s, note(2));
  EXPECT_EQ(queue.wake_at(), kStart + 1s);
  queue.run_due(kStart + 1s);
  EXPECT_EQ(fired, std::vector{2});
}

TEST_F(TimerQueueTest, StoppedAndErasedOnesStaySilent) {
  TimerQueue::Entry stopped;
  TimerQueue::Entry erased;
  queue.start(stopped, kStart + 1s, note(1));
  queue.start(erased, kStart + 1s, note(2));
  TimerQueue::stop(stopped);
  queue.erase(erased);
  queue.run_due(kStart + 2s);
  EXPECT_TRUE(fired.empty());
  queue.start(stopped, kStart + 3s, note(3));
  queue.run_due(kStart + 3s);
  EXPECT_EQ(fired, std::vector{3});
}

TEST_F(TimerQueueTest, CallbacksMayRestartAndEraseAnyTimer) {
  TimerQueue::Entry again;
  TimerQueue::Entry victim;
  queue.start(victim, kStart + 2s, note(9));
  queue.start(again, kStart + 1s, [&] {
    queue.erase(victim);
    queue.start(again, kStart + 3s, note(2));
  });
  queue.run_due(kStart + 2s);
  EXPECT_TRUE(fired.empty());
  queue.run_due(kStart + 3s);
  EXPECT_EQ(fired, std::vector{2});
}

TEST_F(TimerQueueTest, AgreesWithASortedListWhateverIsDone) {
  std::mt19937 random(7);  // NOLINT(bugprone-random-generator-seed): the same in every run
  std::deque<TimerQueue::Entry> entries(50);
  std::vector<int> due(entries.size(), -1);  // in seconds; -1: not running
  for (int now = 0; now < 2000; ++now) {
    const auto index = static_cast<std::size_t>(random() % entries.size());
    TimerQueue::Entry& entry = entries[index];
    switch (random() % 4) {
      case 0:
        TimerQueue::stop(entry);
        due[index] = -1;
        break;
      case 1:
        queue.erase(entry);
        entry.on_time = nullptr;
        due[index] = -1;
        break;
      default:
        due[index] = now + 1 + static_cast<int>(random() % 100);
        queue.start(entry, kStart + std::chrono::seconds(due[index]), note(static_cast<int>(index)));
    }
    fired.clear();
    queue.run_due(kStart + std::chrono::seconds(now));
    std::vector<int> expected;
    for (std::size_t i = 0; i < due.size(); ++i) {
      if (due[i] >= 0 && due[i] <= now) {
        expected.push_back(static_cast<int>(i));
        due[i] = -1;
      }
    }
    std::sort(fired.begin(), fired.end());
    ASSERT_EQ(fired, expected) << "at " << now;
  }
}

}  // namespace
}  // namespace trilby::net
