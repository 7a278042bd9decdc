/// \file  The timers of one loop, in the order they are due. Private to net/; time is passed in.
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <vector>

#include "base/units.h"

namespace trilby::net {

/// A heap that is moved as rarely as possible: stopping a timer, or starting it for a later moment than before, only
/// writes to the timer; the queue finds out when the earlier moment comes. So a deadline that each request puts off
/// costs a few nanoseconds.
/// Ownership: holds pointers to entries, which their owners erase before they die. Threading: loop-bound.
class TimerQueue {
 public:
  struct Entry {
    std::function<void()> on_time;  ///< empty: stopped
    Clock::time_point due;
    std::size_t place = kNowhere;  ///< in the heap
  };

  void start(Entry& entry, Clock::time_point due, std::function<void()> on_time);
  static void stop(Entry& entry) { entry.on_time = nullptr; }
  void erase(Entry& entry);

  /// When to call run_due() next; may be earlier than any timer is due. time_point::max(): never.
  [[nodiscard]] Clock::time_point wake_at() const;
  /// Calls back every timer due at `now`. Callbacks may start, stop and erase any timer.
  void run_due(Clock::time_point now);

 private:
  static constexpr std::size_t kNowhere = std::numeric_limits<std::size_t>::max();
  struct Node {
    Clock::time_point at;  // never later than the entry's due, unless that is stopped
    Entry* entry;
  };

  void put(std::size_t place, Node node);
  void sift_up(std::size_t place, Node node);
  void sift_down(std::size_t place, Node node);

  std::vector<Node> heap_;
};

}  // namespace trilby::net
