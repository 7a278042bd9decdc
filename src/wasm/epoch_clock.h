/// \file  The clock that interrupts guests: it advances an engine's epoch as often as those under way need it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

#include "base/units.h"

namespace trilby::wasm {

/// Between ticks. A guest yields at the first that finds it half a tick into its slice, so it runs for 1.5 ms at most,
/// one bulk instruction and what is said next aside.
inline constexpr Duration kTick = std::chrono::milliseconds(1);
/// Between ticks while no guest is there that may compute for long: what one that does all the same runs for at most,
/// and half a tick more.
inline constexpr Duration kWatchedTick = std::chrono::milliseconds(10);

/// What the calls of a module were like. Whether its guests compute for long, so that they are interrupted: they are
/// taken to until enough calls in a row did not; one that did counts at once. And what a call costs. Threading: any;
/// counts of calls that end at the same time may get lost.
class CallHistory {
 public:
  [[nodiscard]] bool may_be_long() const { return short_calls_.load(std::memory_order_relaxed) < kEnough; }
  void note_long() { short_calls_.store(0, std::memory_order_relaxed); }
  void note_short() {
    if (may_be_long()) {
      short_calls_.fetch_add(1, std::memory_order_relaxed);
    }
  }
  /// \param cpu  of a call that has ended
  void note_cost(Duration cpu) {
    const std::int64_t before = cost_.load(std::memory_order_relaxed);
    cost_.store(before + (cpu.count() - before) / kRemembered, std::memory_order_relaxed);
  }
  /// Whether another core is worth its way there: some 20 us.
  [[nodiscard]] bool computes() const {
    return may_be_long() || cost_.load(std::memory_order_relaxed) > kWorthTheWay.count();
  }

 private:
  static constexpr int kEnough = 100;
  static constexpr std::int64_t kRemembered = 16;  // calls, about
  static constexpr Duration kWorthTheWay = std::chrono::microseconds(200);
  std::atomic<int> short_calls_{0};
  std::atomic<std::int64_t> cost_{0};  // nanoseconds of a call; what the last ones took has the most weight
};

/// A thread that wakes a thousand times a second takes the core from whoever is on it as often, and on a busy one costs
/// a tenth of what small calls do. So it does while a guest is there that may compute for long; while others are there
/// it is a look now and then, in case that they do after all; otherwise it sleeps. Threading: any, but for the
/// destructor; `advance` runs on the clock's own thread.
class EpochClock {
 public:
  explicit EpochClock(std::function<void()> advance);
  ~EpochClock();
  EpochClock(const EpochClock&) = delete;
  EpochClock& operator=(const EpochClock&) = delete;

  /// \return how many are there now, with this one
  std::uint32_t enter(bool may_be_long);
  void leave(bool may_be_long);
  /// Of one that entered as one that would not be long: it is, and leaves as such.
  void expect_long();
  [[nodiscard]] std::uint32_t live() const { return live_.load(std::memory_order_relaxed); }

 private:
  enum class Pace : std::uint8_t { Parked, Watching, Ticking };
  // Changes of pace cost system calls, so short pauses between calls do not count.
  static constexpr Duration kPatience = std::chrono::milliseconds(100);

  [[nodiscard]] Pace needed() const;
  void hurry(Pace pace);
  void run(const std::stop_token& stop);
  void sleep(const std::stop_token& stop, Pace pace, Clock::time_point until);

  std::function<void()> advance_;
  std::atomic<std::uint32_t> live_{0};
  std::atomic<std::uint32_t> long_{0};
  std::atomic<Pace> pace_{Pace::Parked};
  std::mutex mutex_;
  std::condition_variable hurried_;
  std::jthread thread_;
};

}  // namespace trilby::wasm
