#include "app/watchdog.h"

#include <algorithm>
#include <condition_variable>
#include <iterator>
#include <mutex>
#include <utility>

#include "base/log.h"

namespace trilby::app {

Watchdog::Watchdog(const std::vector<Target>& targets) {
  std::pair<std::size_t, std::size_t> count;
  for (const Target& target : targets) {
    std::string name = target.own ? fmt::format("own {}", count.second++) : fmt::format("{}", count.first++);
    watched_.push_back({.target = target, .name = std::move(name), .sign = std::make_shared<Sign>()});
  }
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
  std::for_each(watched_.begin(), watched_.end(), look_at);
  stuck_ = std::any_of(watched_.begin(), watched_.end(),
                       [](const Watched& each) { return !each.target.own && each.missed >= kStuck; });
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

void Watchdog::look_at(Watched& watched) {
  const std::uint32_t stalled = watched.target.own ? kStuck : kStalled;
  if (watched.sign->given.load(std::memory_order_acquire) == watched.asked) {
    if (watched.missed >= stalled) {
      log::warn("an event loop turns again", {{"loop", watched.name}, {"stood", format(watched.missed * kPeriod)}});
    }
    watched.missed = 0;
    watched.target.metrics.longest_wait.set(watched.sign->longest.load(std::memory_order_relaxed));
    return ask(watched);
  }
  if (++watched.missed == stalled) {
    watched.target.metrics.stalls.add();
    const std::string* occupant = watched.target.loop.occupant();
    log::warn(watched.target.own ? "a loop for calls with files or much memory does not turn; its calls wait"
                                 : "an event loop does not turn; what it serves waits",
              {{"loop", watched.name},
               {"for", format(watched.missed * kPeriod)},
               {"function", occupant != nullptr ? *occupant : std::string("none")}});
  } else if (watched.missed == kStuck) {
    log::error("an event loop is stuck; /livez says so",
               {{"loop", watched.name}, {"for", format(watched.missed * kPeriod)}});
  }
}

}  // namespace trilby::app
