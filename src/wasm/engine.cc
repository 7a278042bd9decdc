#include "wasm/engine.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "policy/policy.h"
#include "wasm/c_api.h"
#include "wasm/cpu_features.h"

namespace trilby::wasm {
namespace {

// Host functions run on the guest's fiber, below its own stack.
constexpr Bytes kHostStack = 1536_KiB;
constexpr std::size_t kTablesPerModule = 4;
// The first part of a memory that is cleared in place instead of being unmapped. Faults cost more than clearing what
// small guests touch; with pagemap scan only dirty pages are cleared. Costs this much resident memory for each place
// ever used.
constexpr std::size_t kMemoryKeptResident = 1U << 20U;
constexpr std::size_t kTableKeptResident = 64U << 10U;
constexpr std::uint64_t kTableElementBytes = 8;

/// What one call reserves: a linear memory and a GC heap, 4 GiB each with their guards, its tables and its fiber.
std::uint64_t address_space_per_call(const EngineSettings& settings) {
  constexpr std::uint64_t kMemory = (std::uint64_t{4} << 30U) + (std::uint64_t{32} << 20U);
  return 2 * kMemory + kTablesPerModule * settings.max_table_elements * kTableElementBytes + settings.stack.count +
         kHostStack.count;
}

/// Settings that compiled code depends on; also the part of the fingerprint that stands for them.
std::string code_settings(const EngineSettings& settings) {
  return fmt::format(
      "cranelift speed; epoch interruption; stack {}; memory 4GiB reserved; no memory64, multi-memory, fuel",
      format(settings.stack));
}

void set_code_settings(wasm_config_t* config, const EngineSettings& settings) {
  wasmtime_config_strategy_set(config, WASMTIME_STRATEGY_CRANELIFT);
  wasmtime_config_cranelift_opt_level_set(config, WASMTIME_OPT_LEVEL_SPEED);
  wasmtime_config_epoch_interruption_set(config, true);
  wasmtime_config_max_wasm_stack_set(config, settings.stack.count);
  wasmtime_config_async_stack_size_set(config, settings.stack.count + kHostStack.count);
  wasmtime_config_memory_reservation_set(config, std::uint64_t{4} << 30U);  // less means a check at every access
  wasmtime_config_memory_guard_size_set(config, std::uint64_t{32} << 20U);
  wasmtime_config_wasm_memory64_set(config, false);
  wasmtime_config_wasm_multi_memory_set(config, false);
}

void set_pool(wasm_config_t* config, const EngineSettings& settings) {
  using Pool =
      std::unique_ptr<wasmtime_pooling_allocation_config_t, CDelete<wasmtime_pooling_allocation_config_delete>>;
  const Pool pool(wasmtime_pooling_allocation_config_new());
  const std::uint32_t calls = settings.max_calls;
  wasmtime_pooling_allocation_config_total_core_instances_set(pool.get(), calls);
  wasmtime_pooling_allocation_config_total_stacks_set(pool.get(), calls);
  wasmtime_pooling_allocation_config_total_memories_set(pool.get(), 2 * calls);  // GC heaps are memories too
  wasmtime_pooling_allocation_config_total_gc_heaps_set(pool.get(), calls);
  wasmtime_pooling_allocation_config_total_tables_set(pool.get(), kTablesPerModule * calls);
  wasmtime_pooling_allocation_config_max_memories_per_module_set(pool.get(), 1);
  wasmtime_pooling_allocation_config_max_tables_per_module_set(pool.get(), kTablesPerModule);
  wasmtime_pooling_allocation_config_table_elements_set(pool.get(), settings.max_table_elements);
  wasmtime_pooling_allocation_config_max_memory_size_set(pool.get(), settings.max_memory.count);
  wasmtime_pooling_allocation_config_linear_memory_keep_resident_set(pool.get(), kMemoryKeptResident);
  wasmtime_pooling_allocation_config_table_keep_resident_set(pool.get(), kTableKeptResident);
  trilby_pooling_pagemap_scan_auto(pool.get());
  wasmtime_pooling_allocation_strategy_set(config, pool.get());
}

/// A config that the engine refuses ends the process, so everything is checked before.
Result<void> validate(const EngineSettings& settings) {
  if (settings.max_memory < 64_KiB || settings.max_memory > 1_GiB) {
    return fail(Reason::Manifest, "the largest memory limit must be between 64KiB and 1GiB, not {}",
                format(settings.max_memory));
  }
  if (settings.max_calls == 0 || settings.max_calls > kMaxLiveCalls) {
    return fail(Reason::Manifest, "live calls must be between 1 and {}, not {}", kMaxLiveCalls, settings.max_calls);
  }
  if (settings.max_table_elements > policy::kMaxTableElements) {
    return fail(Reason::Manifest, "table elements must be at most {}, not {}", policy::kMaxTableElements,
                settings.max_table_elements);
  }
  if (settings.stack < policy::kMinStack || settings.stack > policy::kMaxStack) {
    return fail(Reason::Manifest, "the stack must be between {} and {}, not {}", format(policy::kMinStack),
                format(policy::kMaxStack), format(settings.stack));
  }
  rlimit address_space{};
  if (getrlimit(RLIMIT_AS, &address_space) == 0 && address_space.rlim_cur != RLIM_INFINITY) {
    return fail(
        Reason::Manifest,
        "the address space of this process is limited to {}, and the sandboxes reserve {}; run `ulimit -v unlimited` "
        "first (systemd: LimitAS=infinity)",
        format(Bytes{address_space.rlim_cur}), format(Bytes{settings.max_calls * address_space_per_call(settings)}));
  }
  return {};
}

/// The engine ends the process when it cannot reserve its pool, so we try first. Reserving costs no memory.
Result<void> try_address_space(std::uint64_t bytes) {
  void* trial = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (trial == MAP_FAILED) {
    return fail(Reason::Manifest,
                "the system does not let this process reserve {} of address space for its sandboxes; lower "
                "limits.concurrency, or allow more (ulimit -v, vm.overcommit_memory)",
                format(Bytes{bytes}));
  }
  munmap(trial, bytes);
  return {};
}

}  // namespace

/// Advances the epoch each tick while calls are live, and sleeps when none has been for a while.
class Engine::Ticker {
 public:
  explicit Ticker(const Engine& engine)
      : engine_(engine), thread_([this](const std::stop_token& stop) { run(stop); }) {}
  ~Ticker() {
    thread_.request_stop();
    wake();
  }
  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

  void wake_if_parked() {
    if (parked_.load()) {
      wake();
    }
  }

 private:
  // Parking and waking cost system calls, so short pauses between calls do not count.
  static constexpr int kIdleTicks = 100;

  void wake() {
    const std::lock_guard lock(mutex_);
    parked_ = false;
    awake_.notify_one();
  }

  void run(const std::stop_token& stop) {
    int idle = 0;
    auto next = Clock::now();
    while (!stop.stop_requested()) {
      next = std::max(next + kTick, Clock::now());  // late ticks are not made up for
      std::this_thread::sleep_until(next);
      wasmtime_engine_increment_epoch(engine_.raw());
      idle = engine_.live_.load() == 0 ? idle + 1 : 0;
      if (idle >= kIdleTicks) {
        park(stop);
        idle = 0;
      }
    }
  }

  /// enter() raises the count and then looks at `parked_`; here it is the other way round, so one of them sees the
  /// other.
  void park(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    parked_ = true;
    if (engine_.live_.load() > 0) {
      parked_ = false;
    }
    awake_.wait(lock, [&] { return !parked_ || stop.stop_requested(); });
  }

  const Engine& engine_;
  std::mutex mutex_;
  std::condition_variable awake_;
  std::atomic<bool> parked_{false};
  std::jthread thread_;
};

std::string_view engine_version() {
  return WASMTIME_VERSION;
}

Result<std::unique_ptr<Engine>> Engine::create(const EngineSettings& settings) {
  TRILBY_CHECK(validate(settings));
  TRILBY_CHECK(try_address_space(settings.max_calls * address_space_per_call(settings)));
  wasm_config_t* config = wasm_config_new();
  set_code_settings(config, settings);
  set_pool(config, settings);
  wasm_engine_t* raw = wasm_engine_new_with_config(config);
  if (raw == nullptr) {
    return fail(Reason::Internal, "the engine could not be created");
  }
  return std::unique_ptr<Engine>(new Engine(settings, raw));
}

Engine::Engine(const EngineSettings& settings, wasm_engine_t* raw)
    : settings_(settings),
      raw_(raw),
      fingerprint_(fmt::format("wasmtime {}; {}; {}", WASMTIME_VERSION, code_settings(settings), cpu_features())),
      ticker_(std::make_unique<Ticker>(*this)) {}

Engine::~Engine() {
  ticker_.reset();
  wasm_engine_delete(raw_);
}

Engine::Place Engine::enter() {
  if (live_.fetch_add(1) >= settings_.max_calls) {
    live_.fetch_sub(1);
    return {};
  }
  ticker_->wake_if_parked();
  return Place(this);
}

Result<Engines> Engines::create(const std::vector<EngineSettings>& settings) {
  Engines made;
  for (const EngineSettings& each : settings) {
    TRILBY_ASSIGN(std::unique_ptr<Engine> engine, Engine::create(each));
    made.engines_.push_back(std::move(engine));
  }
  return made;
}

Engine& Engines::for_stack(Bytes stack) const {
  const auto at = std::find_if(engines_.begin(), engines_.end(),
                               [&](const auto& engine) { return engine->settings().stack == stack; });
  return **(at == engines_.end() ? engines_.begin() : at);
}

Engine::Place& Engine::Place::operator=(Place&& other) noexcept {
  if (this != &other) {
    leave();
    engine_ = std::exchange(other.engine_, nullptr);
  }
  return *this;
}

void Engine::Place::leave() {
  if (Engine* engine = std::exchange(engine_, nullptr)) {
    engine->live_.fetch_sub(1);
  }
}

}  // namespace trilby::wasm
