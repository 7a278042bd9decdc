/// \file  A loop on a thread of its own, as tests ask it. Private to tests.
#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <thread>

#include "net/loop.h"

namespace trilby::net {

/// Runs `work` on a loop that turns on another thread, and waits for its end.
inline void run_on(Loop& loop, const std::function<void()>& work) {
  std::promise<void> done;
  loop.post([&] {
    work();
    done.set_value();
  });
  done.get_future().wait();
}

/// Waits until `condition`, asked on the loop, holds. \return false when it did not within half a minute
inline bool wait_until(Loop& loop, const std::function<bool()>& condition) {
  const auto until = Clock::now() + std::chrono::seconds(30);
  bool holds = false;
  while (!holds && Clock::now() < until) {
    run_on(loop, [&] { holds = condition(); });
    std::this_thread::yield();
  }
  return holds;
}

}  // namespace trilby::net
