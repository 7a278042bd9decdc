/// \file  One run of a module: a fresh store and instance under limits, on a fiber that its loop polls.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/reason.h"
#include "base/units.h"
#include "net/loop.h"
#include "wasm/cpu_meter.h"
#include "wasm/engine.h"
#include "wasm/prepared.h"

namespace trilby::wasm {

class Guest;

/// How the guest's code came to its end.
struct Ending {
  enum class How : std::uint8_t {
    Returned,  ///< from its entry point
    Exited,    ///< it asked to, with `exit_code`
    Trapped,   ///< it did what WebAssembly forbids, or threw what nobody caught
    Stopped,   ///< by us, for `reason`
    Failed,    ///< the engine could not set it up
  };
  How how = How::Failed;
  int exit_code = 0;
  Reason reason = Reason::Internal;
  bool out_of_handles = false;  ///< stopped for it
  std::string message;          ///< the engine's words with guest frames, for the log only
};

struct Costs {
  Duration instantiate{};
  Duration cpu{};  ///< instantiation included
  Clock::time_point ended;
  Bytes memory_peak{};
  std::uint32_t denied_growths = 0;
};

/// Runs one function of a fresh instance. Its loop polls it and gets other work when the guest yields, at a tick of the
/// engine's EpochClock, and whenever a host function waits. A guest that has yielded is background work of its loop, so
/// that any number of them delays others by one slice. Ownership: whoever made the call. Destroying it ends the guest
/// at once; never do that, and never from a host function of its own, while the guest is on the stack: use stop().
/// Threading: loop-bound.
class Sandbox {
 public:
  struct Limits {
    Bytes memory;                      ///< linear memories and GC heaps together
    std::uint32_t table_elements = 0;  ///< all tables together
    Duration cpu{};
  };
  using OnEnd = std::function<void(Ending)>;

  /// `prepared`, `meter` (of the loop's thread) and `host` outlive the sandbox. `host` is what its host functions work
  /// on, `call` what net::Loop::occupants_piece() is while the guest has the loop's thread.
  Sandbox(net::Loop& loop, CpuMeter& meter, const Prepared& prepared, Engine::Place place, Limits limits, void* host,
          const void* call = nullptr);
  ~Sandbox();
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  /// Once. `now` is the time. `on_end` runs exactly once, possibly before this returns, when all resources of the guest
  /// have been given back; it may destroy the sandbox.
  void run(std::string_view entry, Clock::time_point now, OnEnd on_end);
  /// Ends the guest for `why` as soon as it is off the stack: now, if it waits or has yielded.
  void stop(Reason why);

  [[nodiscard]] Costs costs() const;

 private:
  std::unique_ptr<Guest> guest_;
};

}  // namespace trilby::wasm
