/// \file  Notices event loops that do not turn.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/units.h"
#include "net/loop.h"
#include "observe/metrics.h"

namespace trilby::app {

/// Asks each loop in turn for a sign of life, by posting to it, and says so when none comes: one warning for each
/// stall, with the function that has the loop's thread, and one line when it is over. What nothing interrupts (a large
/// memory.fill, a host function, a file on a slow disk) shows so.
/// Time is counted in looks and not read from a clock, so that a machine that slept or a process that was stopped finds
/// no loop stalled when it wakes.
/// A loop that runs calls with files or much memory stands whenever a disk is slow, and nobody else waits for it. So it
/// is said of such a one only after kStuck looks, and the program is not taken for stuck because of it.
/// Ownership: loops and metrics outlive it. Threading: start(), stop(), look() and the destructor belong to one thread,
/// but between start() and stop() look() is for the watchdog's own; stuck() is for any.
class Watchdog {
 public:
  static constexpr Duration kPeriod = std::chrono::milliseconds(500);  ///< between two looks
  static constexpr std::uint32_t kStalled = 2;                         ///< looks without a sign: a second
  static constexpr std::uint32_t kStuck = 20;                          ///< ten seconds: it will hardly come back

  struct Target {
    net::Loop& loop;
    observe::StallMetrics& metrics;  ///< written by look() only
    bool own = false;                ///< one of invoke::OwnLoops
  };

  explicit Watchdog(const std::vector<Target>& targets);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// Looks each period, on a thread of its own. Throws std::system_error when the system gives none.
  void start();
  void stop();
  void look();

  /// Whether a loop that serves has given no sign for kStuck looks, and still does not.
  [[nodiscard]] bool stuck() const { return stuck_.load(std::memory_order_relaxed); }

 private:
  /// Written by the loop; lives for as long as a message to it may be under way.
  struct Sign {
    std::atomic<std::uint64_t> given{0};
    std::atomic<Duration::rep> longest{0};
  };
  struct Watched {
    Target target;
    std::string name;  // in the log
    std::shared_ptr<Sign> sign;
    std::uint64_t asked = 0;
    std::uint32_t missed = 0;  // looks since it was asked
  };

  static void ask(Watched& watched);
  static void look_at(Watched& watched);

  std::vector<Watched> watched_;
  std::atomic<bool> stuck_{false};
  std::jthread thread_;
};

}  // namespace trilby::app
