#include "wasm/epoch_clock.h"

#include <algorithm>
#include <utility>

namespace trilby::wasm {

EpochClock::EpochClock(std::function<void()> advance)
    : advance_(std::move(advance)), thread_([this](const std::stop_token& stop) { run(stop); }) {}

EpochClock::~EpochClock() {
  thread_.request_stop();
  const std::lock_guard lock(mutex_);  // or it might be about to sleep
  hurried_.notify_one();
}

std::uint32_t EpochClock::enter(bool may_be_long) {
  const std::uint32_t live = live_.fetch_add(1) + 1;
  if (may_be_long) {
    expect_long();
  } else {
    hurry(Pace::Watching);
  }
  return live;
}

void EpochClock::expect_long() {
  long_.fetch_add(1);
  hurry(Pace::Ticking);
}

void EpochClock::leave(bool may_be_long) {
  live_.fetch_sub(1);
  if (may_be_long) {
    long_.fetch_sub(1);
  }
}

/// Counts are raised before the pace is looked at; where the pace is lowered it is the other way round, so one of the
/// two sees the other.
void EpochClock::hurry(Pace pace) {
  if (pace_.load() >= pace) {
    return;
  }
  const std::lock_guard lock(mutex_);
  if (pace_.load() < pace) {
    pace_ = pace;
    hurried_.notify_one();
  }
}

EpochClock::Pace EpochClock::needed() const {
  return long_.load() > 0 ? Pace::Ticking : live_.load() > 0 ? Pace::Watching : Pace::Parked;
}

void EpochClock::run(const std::stop_token& stop) {
  auto next = Clock::now();
  auto last_needed = next;
  while (!stop.stop_requested()) {
    const Pace pace = pace_.load();
    const auto began = Clock::now();
    // Late ticks are not made up for, and one that came early, for it was hurried, delays none.
    next = std::max(std::min(next, began) + (pace == Pace::Ticking ? kTick : kWatchedTick), began);
    sleep(stop, pace, next);
    advance_();
    const auto now = Clock::now();
    if (needed() >= pace_.load()) {
      last_needed = now;
    } else if (now - last_needed >= kPatience) {
      const std::lock_guard lock(mutex_);
      pace_ = needed();
      pace_ = std::max(pace_.load(), needed());
      last_needed = now;
    }
  }
}

void EpochClock::sleep(const std::stop_token& stop, Pace pace, Clock::time_point until) {
  if (pace == Pace::Ticking) {
    return std::this_thread::sleep_until(until);
  }
  std::unique_lock lock(mutex_);
  const auto hurried = [&] { return pace_.load() > pace || stop.stop_requested(); };
  if (pace == Pace::Parked) {
    hurried_.wait(lock, hurried);
  } else {
    hurried_.wait_until(lock, until, hurried);
  }
}

}  // namespace trilby::wasm
