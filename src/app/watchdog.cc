#include "app/watchdog.h"

#include <algorithm>
#include <condition_variable>
#include <iterator>
#include <mutex>

#include "base/log.h"

namespace trilby::app {

Watchdog::Watchdog(const std::vector<Target>& targets) {
  std::transform(targets.begin(), targets.end(), std::back_inserter(watched_),
                 [](const Target& target) { return Watched{.target = target, .sign = std::make_shared<Sign>()}; });
}

Watchdog::~Watchdog() = default;

void Watchdog::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    while (!stop.stop_requested()) {
      look();
      wake.wait_for(lock, stop, kPeriod, [] { return false; });
    }
  });
}

void Watchdog::stop() {
  thread_ = {};
}

void Watchdog::look() {
  for (std::size_t i = 0; i < watched_.size(); ++i) {
    look_at(i);
  }
  stuck_ = std::any_of(watched_.begin(), watched_.end(), [](const Watched& each) { return each.missed >= kStuck; });
}

void Watchdog::ask(Watched& watched) {
  ++watched.asked;
  watched.target.loop.post([sign = watched.sign, number = watched.asked, asked_at = Clock::now()] {
    const Duration::rep took = (Clock::now() - asked_at).count();
    if (took > sign->longest.load(std::memory_order_relaxed)) {  // nobody else writes it
      sign->longest.store(took, std::memory_order_relaxed);
    }
    sign->given.store(number, std::memory_order_release);
  });
}

void Watchdog::look_at(std::size_t index) {
  Watched& watched = watched_[index];
  if (watched.sign->given.load(std::memory_order_acquire) == watched.asked) {
    if (watched.missed >= kStalled) {
      log::warn("an event loop turns again", {{"loop", index}, {"stood", format(watched.missed * kPeriod)}});
    }
    watched.missed = 0;
    watched.target.metrics.longest_wait.set(watched.sign->longest.load(std::memory_order_relaxed));
    return ask(watched);
  }
  if (++watched.missed == kStalled) {
    watched.target.metrics.stalls.add();
    const std::string* occupant = watched.target.loop.occupant();
    log::warn("an event loop does not turn; what it serves waits",
              {{"loop", index},
               {"for", format(watched.missed * kPeriod)},
               {"function", occupant != nullptr ? *occupant : std::string("none")}});
  } else if (watched.missed == kStuck) {
    log::error("an event loop is stuck; /livez says so", {{"loop", index}, {"for", format(watched.missed * kPeriod)}});
  }
}

}  // namespace trilby::app
