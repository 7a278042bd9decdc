/// \file  Loops of their own for calls that would hold up others: of functions with files, whose reading and writing
/// blocks, and of functions with much memory (policy::needs_own_loop).
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "call/call.h"
#include "invoke/admission.h"
#include "invoke/invoker.h"
#include "net/loop.h"
#include "observe/metrics.h"
#include "policy/environment.h"

namespace trilby::invoke {

/// Those that a call passes: of its app, its function and the engine's pool.
inline constexpr std::size_t kGates = 3;

/// For whom the guest of a call asks Dapr, wherever it runs. A value.
struct DaprAsker {
  std::string app_id;  ///< whose ways are asked; empty: there is nobody to ask
  TraceContext trace;
  unsigned hops = 0;
  std::shared_ptr<const ActorTurn> actor;  ///< as which it is called; null: as none
};

/// A call that has its body and its slots. May be handed from thread to thread.
struct AdmittedCall {
  std::shared_ptr<const Function> function;
  std::shared_ptr<Admission> app;  ///< whose slot it has; may be null
  std::string id;
  std::string input;
  BodyBudget::Share input_share;
  policy::Environment request;                ///< host::Host::request
  std::optional<DaprAsker> asker{};           ///< nothing: its function may ask nothing
  Clock::time_point deadline;                 ///< of the caller
  Clock::time_point began;                    ///< when it had its slots; its wall time counts from here
  std::array<Admission::Slot, kGates> slots;  // first to go
};

/// An invoker that takes calls where admission has left them.
class AdmittedInvoker : public Invoker {
 public:
  /// Like start(). `cancellation` is of this loop and never null; it is what the loop says its occupant's piece is
  /// while the call has its thread.
  virtual void start_admitted(AdmittedCall call, std::shared_ptr<Cancellation> cancellation, OnOutcome done) = 0;
};

/// How an app asks Dapr from one loop; null where it cannot. What it gives outlives the calls there.
using FindWays = std::function<const dapr::AppWays*(std::string_view app_id)>;
/// \param ways  may be null: no app can
[[nodiscard]] std::unique_ptr<AdmittedInvoker> make_admitted_invoker(net::Loop& loop, BodyBudgets budgets,
                                                                     FindWays ways = nullptr);

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

  struct Handed;
  /// A call that runs elsewhere. Bound to the loop that handed it over. Destroying it forgets the call: its `done` does
  /// not run any more, and it goes on, with its slots, until it ends or was told to.
  class Away {
   public:
    ~Away();
    Away(const Away&) = delete;
    Away& operator=(const Away&) = delete;
    /// \return true: it is told to end, later, on its loop, and `done` says how it ended. false: it had not begun and
    /// is gone; `done` does not run
    [[nodiscard]] bool cancel(Reason why);
    /// `done` will not run; the call goes on.
    void forget();
    /// When its loop does not come to cancelling it: ends what the kernel lets be ended, a wait for the other end of a
    /// pipe and the like, if it is this call that waits so. That may come too early, before the wait has begun, so it
    /// is done again until
    /// \return false: the call has ended, or stop() sees to it
    [[nodiscard]] bool interrupt();

   private:
    friend class OwnLoops;
    Away(OwnLoops& loops, std::shared_ptr<Handed> handed) : loops_(loops), handed_(std::move(handed)) {}
    OwnLoops& loops_;
    std::shared_ptr<Handed> handed_;
  };
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
  struct Place;
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
