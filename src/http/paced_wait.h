/// \file  Waiting for a peer, for as long as its pace allows. Private to http/.
#pragma once

#include <functional>
#include <optional>
#include <utility>

#include "http/pace.h"
#include "net/loop.h"

namespace trilby::http {

/// Bills a peer for the time from begin() to end(). Threading: loop-bound.
class PacedWait {
 public:
  PacedWait(net::Loop& loop, Pace pace) : loop_(loop), pace_(pace) {}

  /// Does nothing while it waits already. `too_slow` runs once when the peer has used up its time.
  void begin(std::function<void()> too_slow) {
    if (since_) {
      return;
    }
    since_ = Clock::now();
    if (!timer_) {
      timer_.emplace(loop_);
    }
    timer_->start(pace_.left(), std::move(too_slow));
  }
  void end() {
    if (since_) {
      pace_.waited(Clock::now() - *since_);
      since_.reset();
      timer_->cancel();
    }
  }
  void moved(std::uint64_t bytes) { pace_.moved(bytes); }

 private:
  net::Loop& loop_;
  Pace pace_;
  std::optional<net::Timer> timer_;
  std::optional<Clock::time_point> since_;
};

}  // namespace trilby::http
