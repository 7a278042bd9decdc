/// \file  What one call's guest reaches of the world: its input and output, and what it was granted.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/token_bucket.h"
#include "base/units.h"
#include "call/denials.h"
#include "host/wasi_clock.h"
#include "policy/environment.h"
#include "policy/policy.h"
#include "wasm/prepared.h"

namespace trilby::inference {
class ModelHost;
}

namespace trilby::host {

/// Standard input, output and error of a command, in memory.
struct Stdio {
  std::string input;
  std::size_t input_at = 0;
  std::string output;
  Bytes output_limit;  ///< over it the guest ends with LimitOutput
  std::string errors;
  Bytes errors_limit;  ///< over it the rest is dropped
  std::uint64_t errors_dropped = 0;
  bool open[3] = {true, true, true};
};

class DaprSession;
struct Poll;
struct Random;
class NnSession;

/// State of the host functions for one guest. Ownership: whoever runs the sandbox; outlives it. Threading: loop-bound.
struct Host {
  Host(std::string_view function, std::string_view call, const policy::Grants& granted,
       const policy::Environment& variables, const inference::ModelHost* model_host);
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  /// The one place that refuses for lack of a grant: counts it, and says what would grant it in the log, once a call
  /// and kind. `wanted` names what the guest asked for, in words that may be the guest's.
  void deny(Grant kind, std::string_view wanted);

  std::string_view program;  ///< its argv[0]: the function's name
  std::string_view call_id;  ///< for the log
  const policy::Grants& grants;
  const policy::Environment& environment;  ///< the same for all calls of the function
  policy::Environment request;             ///< variables of this call, none of them in `environment`
  const inference::ModelHost* models;      ///< may be null

  Stdio stdio;
  /// One more thing that the guest holds until its call ends. \return false when it has as many as it may
  [[nodiscard]] bool take_handle();
  /// One more call of a function that uses what all share: inferences, and what is asked of Dapr. What only costs time
  /// on the processor is bounded by that. \return false when they come faster than they may
  [[nodiscard]] bool take_host_call(Clock::time_point now) { return host_calls.take(now); }

  std::uint32_t handles_left = 0;
  TokenBucket host_calls{0};
  GuestClock clock;
  Denials denials;               ///< what deny() counted
  std::uint32_t inferences = 0;  ///< that it waited for
  Duration inference{};          ///< time it waited for them
  std::unique_ptr<Poll> poll;    // what follows is made at first use
  std::unique_ptr<Random> random;
  std::unique_ptr<NnSession> nn;
  std::unique_ptr<DaprSession> dapr;  ///< set before the guest runs, where it is granted something of Dapr
};

/// Defines everything that a function with these grants may import.
void define_imports(wasm::Linker& linker, const policy::Grants& grants);
/// Whether define_imports() defines it.
[[nodiscard]] bool provides(std::string_view module, std::string_view name);

inline constexpr std::string_view kWasiModule = "wasi_snapshot_preview1";
inline constexpr std::string_view kNnModule = "wasi_ephemeral_nn";
inline constexpr std::string_view kDaprModule = "dapr";

}  // namespace trilby::host
