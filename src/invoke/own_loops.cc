#include "invoke/own_loops.h"

#include <csignal>
#include <future>
#include <optional>
#include <thread>
#include <utility>

#include <pthread.h>

namespace trilby::invoke {
namespace {

// Of the real-time signals the last but one; the lockdown uses the last.
int the_signal() {
  return SIGRTMAX - 1;
}

/// A signal that does nothing, but that system calls return from. Everything here expects that, and so do guests, to
/// whom it is an EINTR from a file.
void let_signals_interrupt() {
  struct sigaction action{};
  action.sa_handler = [](int) {};
  action.sa_flags = SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(the_signal(), &action, nullptr);
}

}  // namespace

/// One of the loops.
struct OwnLoops::Place {
  explicit Place(const MakeInvoker& make) : invoker(make(loop)) {}
  net::Loop loop;
  std::unique_ptr<AdmittedInvoker> invoker;
  observe::OwnLoopMetrics metrics;
  std::atomic<bool> asked{false};  // it will look for a call
  std::promise<void> ended;
  std::thread thread;

  /// Ends a wait for a pipe, or for a file system that can be interrupted. The thread is there.
  void nudge() { pthread_kill(thread.native_handle(), the_signal()); }
};

struct OwnLoops::Handed : HandedCall {
  Handed(AdmittedCall&& handed_call, net::Loop& from, OnOutcome&& on_outcome)
      : HandedCall(from, std::move(on_outcome)), call(std::move(handed_call)) {}
  std::optional<AdmittedCall> call;  // guarded by OwnLoops::mutex_: until a loop takes it
  Place* place = nullptr;            // guarded by OwnLoops::mutex_: where it runs
};

class OwnLoops::There final : public Away {
 public:
  There(OwnLoops& loops, std::shared_ptr<Handed> handed) : loops_(loops), handed_(std::move(handed)) {}
  There(const There&) = delete;
  There& operator=(const There&) = delete;
  ~There() override { There::forget(); }

  void forget() override { handed_->done = nullptr; }
  bool cancel(Reason why) override { return loops_.cancel(*handed_, why); }

  bool interrupt() override {
    const std::lock_guard lock(loops_.mutex_);
    if (handed_->place == nullptr || loops_.stopped_) {
      return false;  // stop() sees to it
    }
    // The thread may have gone on to another call, to which this would be an error out of nowhere.
    if (handed_->place->loop.occupants_piece() == handed_->cancellation.get()) {
      handed_->place->nudge();
    }
    return true;
  }

 private:
  OwnLoops& loops_;
  const std::shared_ptr<Handed> handed_;
};

OwnLoops::OwnLoops(std::size_t count, BodyBudgets budgets)
    : OwnLoops(count, [budgets](net::Loop& loop) { return make_admitted_invoker(loop, budgets); }) {}

OwnLoops::OwnLoops(std::size_t count, const MakeInvoker& make) {
  let_signals_interrupt();
  for (std::size_t i = 0; i < count; ++i) {
    places_.push_back(std::make_unique<Place>(make));
  }
  try {
    for (const auto& place : places_) {
      place->thread = std::thread([&each = *place] {
        each.loop.run();
        each.invoker->cancel_all(Reason::Draining);
        each.invoker.reset();
        each.ended.set_value();
      });
    }
  } catch (...) {
    stop();
    throw;
  }
}

OwnLoops::~OwnLoops() {
  stop();
}

void OwnLoops::stop() {
  std::list<std::shared_ptr<Handed>> left;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    left.swap(waiting_);
    for (const auto& handed : left) {
      handed->call.reset();
    }
  }
  for (const auto& handed : left) {
    answer(handed, refusal(Reason::Draining));
  }
  for (const auto& place : places_) {
    place->loop.stop();
  }
  for (const auto& place : places_) {
    if (place->thread.joinable()) {
      const auto ended = place->ended.get_future();
      while (ended.wait_for(kNudgeEvery) != std::future_status::ready) {
        place->nudge();
      }
      place->thread.join();
    }
  }
}

net::Loop& OwnLoops::loop(std::size_t index) {
  return places_[index]->loop;
}

observe::OwnLoopMetrics& OwnLoops::metrics(std::size_t index) {
  return places_[index]->metrics;
}

std::unique_ptr<Away> OwnLoops::hand_over(AdmittedCall call, net::Loop& home, OnOutcome done) {
  auto handed = std::make_shared<Handed>(std::move(call), home, std::move(done));
  ++live_;
  bool refused = false;  // from here on a loop may take the call at any moment
  {
    const std::lock_guard lock(mutex_);
    refused = stopped_;
    if (refused) {
      handed->call.reset();
    } else {
      waiting_.push_back(handed);
    }
  }
  auto away = std::make_unique<There>(*this, handed);
  if (refused) {
    answer(handed, refusal(Reason::Draining));
    return away;
  }
  // Whichever turns first takes it. Which that is, nobody knows before: any of them may be about to stand still.
  for (const auto& place : places_) {
    ask(*place);
  }
  return away;
}

void OwnLoops::ask(Place& place) {
  if (!place.asked.exchange(true)) {
    place.loop.post([this, &place] { take(place); });
  }
}

/// On the place's loop: starts the call that has waited longest, if there is one.
void OwnLoops::take(Place& place) {
  std::shared_ptr<Handed> handed;
  std::optional<AdmittedCall> call;
  place.asked = false;
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty()) {
      return;
    }
    handed = std::move(waiting_.front());
    waiting_.pop_front();
    handed->place = &place;
    call = std::exchange(handed->call, std::nullopt);
    if (!waiting_.empty()) {
      ask(place);
    }
  }
  place.metrics.calls.add(1);
  place.invoker->start_admitted(std::move(*call), handed->cancellation, [this, &place, handed](Outcome outcome) {
    place.metrics.calls.add(-1);
    {
      const std::lock_guard lock(mutex_);
      handed->place = nullptr;
    }
    answer(handed, std::move(outcome));
  });
}

void OwnLoops::answer(const std::shared_ptr<Handed>& handed, Outcome outcome) {
  send_home(handed, std::move(outcome));
  --live_;  // last, so that nothing is posted to any home when there are none
}

bool OwnLoops::cancel(Handed& handed, Reason why) {
  std::optional<AdmittedCall> call;  // given up when the lock is
  const std::lock_guard lock(mutex_);
  if (handed.call) {
    call = std::exchange(handed.call, std::nullopt);
    waiting_.remove_if([&](const auto& each) { return each.get() == &handed; });
    --live_;
    return false;
  }
  if (handed.place != nullptr) {
    handed.place->loop.post([cancellation = handed.cancellation, why] { cancellation->cancel(why); });
  }
  return true;
}

}  // namespace trilby::invoke
