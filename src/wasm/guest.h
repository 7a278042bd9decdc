/// \file  A running guest, as its host functions see it. Internal to wasm/ and host/.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "wasm/c_api.h"
#include "wasm/guest_memory.h"
#include "wasm/sandbox.h"

namespace trilby::wasm {

/// The state behind a Sandbox. Threading: loop-bound.
class Guest {
 public:
  Guest(net::Loop& loop, CpuMeter& meter, const Prepared& prepared, Engine::Place place, Sandbox::Limits limits,
        void* host, const void* call);
  ~Guest();
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  void run(std::string_view entry, Clock::time_point now, Sandbox::OnEnd on_end);
  void stop(Reason why);
  [[nodiscard]] Costs costs() const;

  // --- for host functions ---

  [[nodiscard]] static Guest& of(wasmtime_caller_t* caller) {
    return *static_cast<Guest*>(wasmtime_context_get_data(wasmtime_caller_context(caller)));
  }
  template <typename Host>
  [[nodiscard]] Host& host() const {
    return *static_cast<Host*>(host_);
  }
  [[nodiscard]] net::Loop& loop() const { return loop_; }
  /// The memory that the calling module exports as "memory"; empty when there is none. It stays where it is, and as it
  /// is, until the host function has completed.
  [[nodiscard]] const GuestMemory& memory() const { return current_memory_; }

  /// Accounts for work in host functions, which no epoch interrupts: 1 for a call, more for long copies (1 a KiB). Ends
  /// the guest with LimitCpu when its time is up. \return false when it must unwind
  [[nodiscard]] bool charge(std::uint64_t work);
  /// The host function unwinds the guest when it returns, and the call ends so.
  void exit(int code) { exit_code_ = code; }
  void unwind(Reason why) { stopped_ = why; }
  [[nodiscard]] bool unwinding() const { return stopped_.has_value() || exit_code_.has_value(); }

  /// What an asynchronous host function does that cannot answer at once: it waits, and complete() is called later, on
  /// the loop.
  void wait();
  /// Or it works on in pieces, each bounded: `step` runs now and after each yield until it returns true.
  using Step = bool (*)(Guest& guest);
  void work(Step step) { step_ = step; }
  /// The result of the asynchronous host function. A guest that is off the stack goes on: now, or in its turn if it has
  /// had a tick of the processor already.
  void complete(std::uint32_t result);

  /// For completions from other threads: finds the guest again, if it still waits for the same thing.
  class Ticket {
   public:
    /// On the guest's loop only. \return null when the wait is over
    [[nodiscard]] Guest* redeem() const {
      return *guest_ != nullptr && (*guest_)->wait_ == wait_ && (*guest_)->waiting_ ? *guest_ : nullptr;
    }

   private:
    friend class Guest;
    Ticket(std::shared_ptr<Guest*> guest, std::uint64_t wait) : guest_(std::move(guest)), wait_(wait) {}
    std::shared_ptr<Guest*> guest_;
    std::uint64_t wait_;
  };
  /// Of the present wait.
  [[nodiscard]] Ticket ticket() { return {handle(), wait_}; }

  /// Called by the adapters of host_function.h around each host function.
  void enter_host(wasmtime_caller_t* caller);
  void enter_async_host(wasmtime_caller_t* caller, wasmtime_val_t* result, wasm_trap_t** trap,
                        wasmtime_async_continuation_t* continuation);
  void leave_async_host();

 private:
  enum class Stage : std::uint8_t { Idle, Instantiating, Running, Ended };

  static wasmtime_error_t* on_tick(wasmtime_context_t* context, void* guest, std::uint64_t* delta,
                                   wasmtime_update_deadline_kind_t* kind) noexcept;
  static bool on_continue(void* guest) noexcept;
  /// In the present slice, so far.
  [[nodiscard]] Duration used() const { return meter_.used(slice_, Clock::now()); }
  [[nodiscard]] bool make_store();
  void resume();
  void poll();
  [[nodiscard]] bool advance();
  void schedule();
  void finish();
  [[nodiscard]] Ending ending() const;
  [[nodiscard]] const std::shared_ptr<Guest*>& handle();

  net::Loop& loop_;
  CpuMeter& meter_;
  const Prepared& prepared_;
  const Sandbox::Limits limits_;
  void* const host_;
  const void* const call_;
  Sandbox::OnEnd on_end_;
  std::string_view entry_;

  Stage stage_ = Stage::Idle;
  bool on_stack_ = false;
  bool waiting_ = false;
  std::uint64_t wait_ = 0;  // counts waits, so that late completions are told apart
  Step step_ = nullptr;
  std::optional<Reason> stopped_;
  std::optional<int> exit_code_;
  std::uint64_t host_work_ = 0;  // since the clock was last looked at

  Clock::time_point slice_;  // start of the present one
  Clock::time_point ended_;  // end of the last one, or of the waiting after it
  Duration cpu_{};           // of the slices before
  bool computed_long_ = false;
  Duration instantiate_{};

  wasmtime_memory_t exported_memory_{};
  bool memory_known_ = false;
  bool has_memory_ = false;
  GuestMemory current_memory_;
  wasmtime_val_t* result_ = nullptr;  // of the asynchronous host function that is running
  wasm_trap_t** result_trap_ = nullptr;

  // Written by the engine while a future lives; declared before it for that reason, as is the store.
  wasmtime_instance_t instance_{};
  wasmtime_func_t function_{};
  wasm_trap_t* trap_ = nullptr;
  wasmtime_error_t* error_ = nullptr;
  trilby_limiter_t limiter_{};
  Engine::Place place_;
  StorePtr store_;
  FutureHandle future_;
  std::shared_ptr<Guest*> handle_;  // made when somebody needs to find the guest again
};

}  // namespace trilby::wasm
