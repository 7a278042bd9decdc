/// \file  A loop on a thread of its own, as tests ask it. Private to tests.
#pragma once

#include <functional>
#include <future>

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

}  // namespace trilby::net
