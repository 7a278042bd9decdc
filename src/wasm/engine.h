/// \file  The engine: one per process and size of stack, with the pool that every sandbox comes from and the clock that
/// interrupts guests.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "wasm/epoch_clock.h"

struct wasm_engine_t;

namespace trilby::wasm {

using namespace trilby::literals;

/// Calls that may live at once over all functions and loops. Each reserves 8 GiB of address space (memory and GC heap),
/// so this many take 32 TiB of the 128 there are.
inline constexpr std::uint32_t kMaxLiveCalls = 4000;

/// "48.0.8"
[[nodiscard]] std::string_view engine_version();

struct EngineSettings {
  Bytes max_memory = 64_MiB;                   ///< the largest memory limit of any function, 64 KiB..1 GiB
  std::uint32_t max_calls = 256;               ///< live at once over all functions and loops, 1..kMaxLiveCalls
  std::uint32_t max_table_elements = 100'000;  ///< the largest limit of any function, up to policy::kMaxTableElements
  Bytes stack = 512_KiB;                       ///< of every guest, policy::kMinStack..kMaxStack
};

/// Compiles and runs modules whose guests have stacks of one size. Ownership: outlives everything made with it.
/// Threading: every function may be called on any thread. Nothing may fork after it exists (the compiler's threads
/// would be missing in the child).
class Engine {
 public:
  /// \return Reason::Manifest when the settings or the process's limits (RLIMIT_AS) do not allow it, with the mend
  static Result<std::unique_ptr<Engine>> create(const EngineSettings& settings);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// A place in the pool for one sandbox. While any exists, the epoch goes on.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept : engine_(std::exchange(other.engine_, nullptr)), may_be_long_(other.may_be_long_) {}
    Place& operator=(Place&& other) noexcept;
    ~Place() { leave(); }
    explicit operator bool() const { return engine_ != nullptr; }
    /// What it was taken for computes for long after all. The place is not empty.
    void expect_long();

   private:
    friend class Engine;
    Place(Engine* engine, bool may_be_long) : engine_(engine), may_be_long_(may_be_long) {}
    void leave();
    Engine* engine_ = nullptr;
    bool may_be_long_ = false;
  };
  /// \param may_be_long  what CallHistory says of the module
  /// \return an empty place when the pool is full
  [[nodiscard]] Place enter(bool may_be_long);
  [[nodiscard]] std::uint32_t live() const { return clock_->live(); }

  /// Everything that compiled code depends on beside the module: engine version, settings, this machine's CPU features.
  [[nodiscard]] std::string_view fingerprint() const { return fingerprint_; }
  [[nodiscard]] const EngineSettings& settings() const { return settings_; }
  [[nodiscard]] wasm_engine_t* raw() const { return raw_; }  ///< for wasm/ and host/ only

 private:
  Engine(const EngineSettings& settings, wasm_engine_t* raw);

  EngineSettings settings_;
  wasm_engine_t* raw_;
  std::string fingerprint_;
  std::unique_ptr<EpochClock> clock_;
};

/// The engines of a process, one for each size of stack. Threading: any; immutable.
class Engines {
 public:
  /// \param settings  at least one, each with another size of stack
  static Result<Engines> create(const std::vector<EngineSettings>& settings);
  /// The one whose guests have `stack`, which one of the settings asked for.
  [[nodiscard]] Engine& for_stack(Bytes stack) const;

 private:
  std::vector<std::unique_ptr<Engine>> engines_;
};

}  // namespace trilby::wasm
