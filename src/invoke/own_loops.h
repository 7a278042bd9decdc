/// \file  Loops of their own for calls that would hold up others: of functions with files, whose reading and writing
/// blocks, and of functions with much memory (policy::needs_own_loop).
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "call/call.h"
#include "invoke/admitted_call.h"
#include "invoke/invoker.h"
#include "net/loop.h"
#include "observe/metrics.h"

namespace trilby::invoke {

/// Between two tries to get a thread out of what it waits for.
constexpr std::chrono::milliseconds kNudgeEvery{50};

/// A few loops, each with a thread, that serve nobody. Calls wait for them in one queue, so that none waits for a loop
/// that stands still while another turns.
/// Threading: hand_over() on any loop; what says so is for any thread; the rest belongs to the thread that made it.
/// Ownership: outlives the invokers that were given it. The loops that hand calls over outlive its stop().
class OwnLoops {
 public:
  using MakeInvoker = std::function<std::unique_ptr<AdmittedInvoker>(net::Loop& loop)>;
  /// `budgets` outlive it. Throws std::exception when the system gives no threads or descriptors.
  explicit OwnLoops(std::size_t count, BodyBudgets budgets = {});
  /// With what runs the calls of each loop. It is made here, before the threads, and destroyed on its own.
  OwnLoops(std::size_t count, const MakeInvoker& make);
  ~OwnLoops();  ///< stop()
  OwnLoops(const OwnLoops&) = delete;
  OwnLoops& operator=(const OwnLoops&) = delete;

  /// Ends all calls with Draining, and the threads. Waits for a guest that is in the middle of something that nothing
  /// interrupts: a large memory.fill, a disk that does not answer.
  void stop();

  /// Gives `call` to the first loop that comes to it. `done` runs at most once, later, on `home`, where this was
  /// called.
  [[nodiscard]] std::unique_ptr<Away> hand_over(AdmittedCall call, net::Loop& home, OnOutcome done);

  /// Calls that were handed over and have not ended. Any thread.
  [[nodiscard]] std::size_t live() const { return live_.load(); }
  // For whoever watches them:
  [[nodiscard]] std::size_t count() const { return places_.size(); }
  [[nodiscard]] net::Loop& loop(std::size_t index);
  [[nodiscard]] observe::OwnLoopMetrics& metrics(std::size_t index);

 private:
  struct Handed;
  struct Place;
  class There;
  void ask(Place& place);
  void take(Place& place);
  void answer(const std::shared_ptr<Handed>& handed, Outcome outcome);
  bool cancel(Handed& handed, Reason why);

  std::atomic<std::size_t> live_{0};
  std::mutex mutex_;
  std::list<std::shared_ptr<Handed>> waiting_;  // guarded by mutex_: calls that no loop has taken
  bool stopped_ = false;                        // guarded by mutex_
  std::vector<std::unique_ptr<Place>> places_;  // last, for their threads use the rest
};

}  // namespace trilby::invoke
