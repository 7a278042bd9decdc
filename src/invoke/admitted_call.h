/// \file  A call that leaves the loop of its caller: what travels, who takes it, and what stays.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "call/call.h"
#include "dapr/app_ways.h"
#include "invoke/admission.h"
#include "invoke/invoker.h"
#include "net/loop.h"
#include "policy/environment.h"

namespace trilby::invoke {

/// Those that a call passes: of its app, its function and the engine's pool.
inline constexpr std::size_t kGates = 3;

/// For whom the guest of a call asks Dapr, wherever it runs. A value.
struct DaprAsker {
  std::string app_id;  ///< whose ways are asked; empty: there is nobody to ask
  std::string peer;    ///< Call::peer
  TraceContext trace;
  unsigned hops = 0;
  std::shared_ptr<const ActorTurn> actor;  ///< as which it is called; null: as none
};

/// That a call computes on a loop: counted there while this lives. Given up on any thread.
class Load {
 public:
  Load() = default;
  explicit Load(std::atomic<std::uint32_t>& calls) : calls_(&calls) { ++calls; }
  Load(Load&& other) noexcept : calls_(std::exchange(other.calls_, nullptr)) {}
  Load& operator=(Load&& other) noexcept {
    std::swap(calls_, other.calls_);
    return *this;
  }
  ~Load() {
    if (calls_ != nullptr) {
      --*calls_;
    }
  }

 private:
  std::atomic<std::uint32_t>* calls_ = nullptr;
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
  Load load{};                                ///< on the loop that it goes to, where these are counted
};

/// An invoker that takes calls where admission has left them.
class AdmittedInvoker : public Invoker {
 public:
  /// Like start(). `cancellation` is of this loop and never null; it is what the loop says its occupant's piece is
  /// while the call has its thread.
  virtual void start_admitted(AdmittedCall call, std::shared_ptr<Cancellation> cancellation, OnOutcome done) = 0;
};

/// \param ways  may be null: no app can
[[nodiscard]] std::unique_ptr<AdmittedInvoker> make_admitted_invoker(net::Loop& loop, BodyBudgets budgets,
                                                                     FindWays ways = nullptr);

/// What both loops know of such a call. Shared by what runs on either.
struct HandedCall {
  HandedCall(net::Loop& from, OnOutcome on_outcome) : home(from), done(std::move(on_outcome)) {}

  net::Loop& home;
  OnOutcome done;  ///< bound to `home`; empty: forgotten
  const std::shared_ptr<Cancellation> cancellation = std::make_shared<Cancellation>();  ///< bound to the other loop
};
/// Tells its home how the call ended, later, unless it was forgotten. On the other loop.
inline void send_home(const std::shared_ptr<HandedCall>& handed, Outcome outcome) {
  // In a shared_ptr, for what is posted can be copied.
  handed->home.post([handed, outcome = std::make_shared<Outcome>(std::move(outcome))] {
    if (const OnOutcome done = std::exchange(handed->done, nullptr)) {
      done(std::move(*outcome));
    }
  });
}

/// A call that runs elsewhere. Bound to the loop that handed it over. Destroying it forgets the call: its `done` does
/// not run any more, and it goes on, with its slots, until it ends or was told to.
class Away {
 public:
  virtual ~Away() = default;
  /// \return true: it is told to end, later, on its loop, and `done` says how it ended. false: it had not begun and
  /// is gone; `done` does not run
  [[nodiscard]] virtual bool cancel(Reason why) = 0;
  /// `done` will not run; the call goes on.
  virtual void forget() = 0;
  /// When its loop does not come to cancelling it: ends what the kernel lets be ended, a wait for the other end of a
  /// pipe and the like, if it is this call that waits so. That may come too early, before the wait has begun, so it
  /// is done again until
  /// \return false: the call has ended, or nothing can be done about it
  [[nodiscard]] virtual bool interrupt() = 0;
};

}  // namespace trilby::invoke
