#include "wasm/engine.h"

#include <algorithm>

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
      clock_(std::make_unique<EpochClock>([raw] { wasmtime_engine_increment_epoch(raw); })) {}

Engine::~Engine() {
  clock_.reset();
  wasm_engine_delete(raw_);
}

Engine::Place Engine::enter(bool may_be_long) {
  Place place(this, may_be_long);
  return clock_->enter(may_be_long) <= settings_.max_calls ? std::move(place) : Place();
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
    may_be_long_ = other.may_be_long_;
  }
  return *this;
}

void Engine::Place::leave() {
  if (Engine* engine = std::exchange(engine_, nullptr)) {
    engine->clock_->leave(may_be_long_);
  }
}

void Engine::Place::expect_long() {
  if (!std::exchange(may_be_long_, true)) {
    engine_->clock_->expect_long();
  }
}

}  // namespace trilby::wasm
