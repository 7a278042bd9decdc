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

/// How long a guest runs at most before it yields to its loop, one bulk instruction and a first surprise aside.
inline constexpr Duration kTick = std::chrono::milliseconds(1);
/// The same for a guest that computes though those of its module before did not (SliceHistory).
inline constexpr Duration kWatchedTick = std::chrono::milliseconds(10);

/// Whether guests of a module keep their thread for a tick or longer. They are taken to until enough slices in a row
/// were short. Threading: any.
class SliceHistory {
 public:
  [[nodiscard]] bool may_be_long() const { return short_slices_.load(std::memory_order_relaxed) < kEnough; }
  void note(Duration slice) {
    if (slice >= kTick) {
      short_slices_.store(0, std::memory_order_relaxed);
    } else if (may_be_long()) {
      short_slices_.fetch_add(1, std::memory_order_relaxed);
    }
  }

 private:
  static constexpr int kEnough = 100;
  std::atomic<int> short_slices_{0};
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
  void sleep(const std::stop_token& stop, Clock::time_point until);

  std::function<void()> advance_;
  std::atomic<std::uint32_t> live_{0};
  std::atomic<std::uint32_t> long_{0};
  std::atomic<Pace> pace_{Pace::Parked};
  std::mutex mutex_;
  std::condition_variable hurried_;
  std::jthread thread_;
};

}  // namespace trilby::wasm
