#include "wasm/sandbox.h"

#include <utility>

#include "wasm/guest.h"

namespace trilby::wasm {
namespace {

// How much host work may pass between two looks at the clock: some 50 us of calls, or 1 MiB of copies.
constexpr std::uint64_t kWorkPerLook = 1024;

wasm_trap_t* unwinding_trap() {
  constexpr std::string_view kText = "ended by the host";
  return wasmtime_trap_new(kText.data(), kText.size());
}

}  // namespace

Sandbox::Sandbox(net::Loop& loop, CpuMeter& meter, const Prepared& prepared, Engine::Place place, Limits limits,
                 void* host, const void* call)
    : guest_(std::make_unique<Guest>(loop, meter, prepared, std::move(place), limits, host, call)) {}
Sandbox::~Sandbox() = default;
void Sandbox::run(std::string_view entry, Clock::time_point now, OnEnd on_end) {
  guest_->run(entry, now, std::move(on_end));
}
void Sandbox::stop(Reason why) {
  guest_->stop(why);
}
Costs Sandbox::costs() const {
  return guest_->costs();
}

Guest::Guest(net::Loop& loop, CpuMeter& meter, const Prepared& prepared, Engine::Place place, Sandbox::Limits limits,
             void* host, const void* call)
    : loop_(loop),
      meter_(meter),
      prepared_(prepared),
      limits_(limits),
      host_(host),
      call_(call),
      place_(std::move(place)) {}

Guest::~Guest() {
  if (handle_) {
    *handle_ = nullptr;
  }
  // The engine wants the future gone before its store; members are destroyed in that order.
  future_.reset();
  store_.reset();
  const TrapPtr trap(trap_);
  const ErrorPtr error(error_);
}

void Guest::run(std::string_view entry, Clock::time_point now, Sandbox::OnEnd on_end) {
  entry_ = entry;
  on_end_ = std::move(on_end);
  slice_ = now;
  meter_.begin(slice_);
  if (!make_store()) {
    ended_ = Clock::now();
    return finish();
  }
  stage_ = Stage::Instantiating;
  future_.reset(wasmtime_instance_pre_instantiate_async(prepared_.raw(), wasmtime_store_context(store_.get()),
                                                        &instance_, &trap_, &error_));
  poll();
}

/// \return false when it could not be given what its host functions need
bool Guest::make_store() {
  store_.reset(wasmtime_store_new(prepared_.engine().raw(), this, nullptr));
  limiter_.max_memory_bytes = limits_.memory.count;
  limiter_.max_table_elements = limits_.table_elements;
  trilby_store_limiter(store_.get(), &limiter_);
  wasmtime_context_set_epoch_deadline(wasmtime_store_context(store_.get()), 1);
  wasmtime_store_epoch_deadline_callback(store_.get(), on_tick, this, nullptr);
  return prepared_.setup() == nullptr || prepared_.setup()(*this, store_.get());
}

wasmtime_error_t* Guest::on_tick(wasmtime_context_t* /*context*/, void* guest, std::uint64_t* delta,
                                 wasmtime_update_deadline_kind_t* kind) noexcept {
  auto& self = *static_cast<Guest*>(guest);
  const Duration used = self.used();
  // A tick may come at any moment of a slice. One that has only begun goes on: it may be a call of microseconds, which
  // would wait for a whole turn of the loop.
  const bool just_begun = used < kTick / 2;
  self.computed_long_ = self.computed_long_ || !just_begun;
  if (!self.stopped_ && self.cpu_ + used > self.limits_.cpu) {
    self.stopped_ = Reason::LimitCpu;
  }
  if (self.stopped_) {
    return wasmtime_error_new("ended by the host");
  }
  *delta = 1;
  *kind = just_begun ? WASMTIME_UPDATE_DEADLINE_CONTINUE : WASMTIME_UPDATE_DEADLINE_YIELD;
  return nullptr;
}

void Guest::resume() {
  slice_ = Clock::now();
  meter_.begin(slice_);
  poll();
}

void Guest::poll() {
  on_stack_ = true;
  loop_.set_occupant(&prepared_.name(), call_);
  bool ended = false;
  while (!ended && wasmtime_call_future_poll(future_.get())) {
    future_.reset();
    ended = !advance();
  }
  loop_.set_occupant(nullptr);
  on_stack_ = false;
  ended_ = Clock::now();
  const Duration slice = meter_.used(slice_, ended_);
  cpu_ += slice;
  if (slice >= kTick || computed_long_) {
    computed_long_ = true;
    prepared_.history().note_long();
  }
  if (ended || stopped_) {
    return finish();
  }
  if (computed_long_) {
    place_.expect_long();
  }
  if (!waiting_) {
    schedule();
  }
}

/// After a future has ended. \return whether there is another one to poll
bool Guest::advance() {
  if (trap_ != nullptr || error_ != nullptr || stage_ == Stage::Running) {
    return false;
  }
  instantiate_ = Clock::now() - slice_;
  wasmtime_context_t* context = wasmtime_store_context(store_.get());
  wasmtime_extern_t item{};
  if (!wasmtime_instance_export_get(context, &instance_, entry_.data(), entry_.size(), &item) ||
      item.kind != WASMTIME_EXTERN_FUNC) {
    return false;  // the stage stays, which ending() reports
  }
  function_ = item.of.func;
  stage_ = Stage::Running;
  future_.reset(wasmtime_func_call_async(context, &function_, nullptr, 0, nullptr, 0, &trap_, &error_));
  return true;
}

/// Others come first: sockets, fresh calls, and the guests that yielded before this one.
void Guest::schedule() {
  loop_.post_background([guest = handle()] {
    if (*guest != nullptr) {
      (*guest)->resume();
    }
  });
}

const std::shared_ptr<Guest*>& Guest::handle() {
  if (!handle_) {
    handle_ = std::make_shared<Guest*>(this);
  }
  return handle_;
}

void Guest::stop(Reason why) {
  if (stage_ == Stage::Ended || stopped_) {
    return;
  }
  stopped_ = why;
  if (!on_stack_ && stage_ != Stage::Idle) {
    ended_ = Clock::now();
    finish();
  }
}

void Guest::finish() {
  Ending result = ending();
  stage_ = Stage::Ended;
  if (handle_) {
    *handle_ = nullptr;
    handle_.reset();
  }
  future_.reset();
  store_.reset();
  place_ = {};
  if (!computed_long_) {
    prepared_.history().note_short();
  }
  std::exchange(on_end_, nullptr)(std::move(result));  // may destroy this
}

Ending Guest::ending() const {
  Ending result;
  if (stopped_) {
    result.how = Ending::How::Stopped;
    result.reason = *stopped_;
  } else if (exit_code_) {
    result.how = Ending::How::Exited;
    result.exit_code = *exit_code_;
  } else if (trap_ != nullptr) {
    result.how = Ending::How::Trapped;
    result.message = message_of(*trap_);
  } else if (error_ != nullptr) {
    // What is left of errors: an exception that nobody caught, a GC heap that may not grow, or a pool that is full.
    result.how = stage_ == Stage::Running ? Ending::How::Trapped : Ending::How::Failed;
    result.message = message_of(*error_);
    if (trilby_error_is_too_many_handles(error_)) {
      result.how = Ending::How::Stopped;
      result.reason = Reason::LimitCalls;
      result.out_of_handles = true;
    }
  } else if (stage_ == Stage::Running) {
    result.how = Ending::How::Returned;
  } else if (stage_ == Stage::Idle) {
    result.message = "its store could not be set up: a directory that it is granted cannot be opened";
  } else {
    result.message = "the entry point is missing";
  }
  return result;
}

Costs Guest::costs() const {
  return {.instantiate = instantiate_,
          .cpu = cpu_,
          .ended = ended_,
          .memory_peak = Bytes{limiter_.memory_bytes},
          .denied_growths = limiter_.denied};
}

bool Guest::charge(std::uint64_t work) {
  host_work_ += work;
  if (host_work_ >= kWorkPerLook) {
    host_work_ = 0;
    if (!stopped_ && cpu_ + used() > limits_.cpu) {
      stopped_ = Reason::LimitCpu;
    }
  }
  return !unwinding();
}

void Guest::enter_host(wasmtime_caller_t* caller) {
  if (!memory_known_) {
    memory_known_ = true;
    wasmtime_extern_t item{};
    if (wasmtime_caller_export_get(caller, "memory", 6, &item) && item.kind == WASMTIME_EXTERN_MEMORY) {
      has_memory_ = true;
      exported_memory_ = item.of.memory;
    }
  }
  if (has_memory_) {
    wasmtime_context_t* context = wasmtime_caller_context(caller);
    current_memory_ = GuestMemory({reinterpret_cast<std::byte*>(wasmtime_memory_data(context, &exported_memory_)),
                                   wasmtime_memory_data_size(context, &exported_memory_)});
  }
}

void Guest::enter_async_host(wasmtime_caller_t* caller, wasmtime_val_t* result, wasm_trap_t** trap,
                             wasmtime_async_continuation_t* continuation) {
  enter_host(caller);
  result_ = result;
  result_trap_ = trap;
  result->kind = WASMTIME_I32;
  result->of.i32 = 0;
  continuation->callback = on_continue;  // must be set, whatever happens
  continuation->env = this;
  continuation->finalizer = nullptr;
}

void Guest::leave_async_host() {
  if (unwinding()) {
    waiting_ = false;
    step_ = nullptr;
    *result_trap_ = unwinding_trap();
  }
}

/// Called at each poll while an asynchronous host function has not ended. \return whether it has
bool Guest::on_continue(void* guest) noexcept {
  auto& self = *static_cast<Guest*>(guest);
  if (self.waiting_) {
    return false;
  }
  if (self.step_ == nullptr) {
    return true;
  }
  if (!self.charge(kWorkPerLook)) {  // each step is long enough to look at the clock
    self.leave_async_host();
    return true;
  }
  const bool done = self.step_(self);
  self.leave_async_host();
  return done || self.unwinding();
}

void Guest::wait() {
  waiting_ = true;
  ++wait_;
}

void Guest::complete(std::uint32_t result) {
  result_->of.i32 = static_cast<std::int32_t>(result);
  waiting_ = false;
  step_ = nullptr;
  if (on_stack_) {
    return;  // it goes on by itself
  }
  if (cpu_ > kTick) {
    return schedule();  // or guests that sleep for a moment each tick would be served before all others
  }
  resume();
}

wasm_trap_t* unwind_if_told(const Guest& guest) {
  return guest.unwinding() ? unwinding_trap() : nullptr;
}

}  // namespace trilby::wasm
