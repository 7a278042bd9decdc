/// \file  The module `dapr`: what a guest may ask of Dapr, as far as its manifest grants it (allow.dapr).
/// docs/decisions/0020-guests-and-dapr.md says why it is as it is; examples/dapr/dapr.h is its definition for guests.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/units.h"
#include "call/body.h"
#include "call/call.h"
#include "dapr/app_ways.h"
#include "wasm/prepared.h"

namespace trilby::host {

using namespace trilby::literals;

/// What the functions answer the guest. Part of the ABI: numbers never change.
enum class DaprErrno : std::uint32_t {
  Success = 0,
  Invalid = 1,    ///< an address outside of the memory, a text made of what it must not be made of, no JSON
  Denied = 2,     ///< the manifest does not grant it
  NotFound = 3,   ///< no such key
  TooLarge = 4,   ///< what is given, or what comes back
  Failed = 5,     ///< Dapr, or who is behind it, refuses or does not answer in time
  Busy = 6,       ///< too much is asked at once; may be tried again
  NoSidecar = 7,  ///< there is nobody to ask
  Conflict = 8,   ///< somebody else has it, or it changed meanwhile
};

/// Of what a guest gives in one request, and of what it is answered.
inline constexpr Bytes kMaxDaprBytes = 4_MiB;
inline constexpr std::uint32_t kMaxLockSeconds = 86400;

/// What one call asks Dapr: one request at a time, and the answer to the last one.
/// Ownership: the Host's. Threading: loop-bound; destroying it gives up what is under way. That is how the call's own
/// deadlines hold: a request that had them too might tell the guest of one before it is ended by it.
class DaprSession {
 public:
  /// For whom is asked.
  struct Caller {
    const dapr::AppWays* ways = nullptr;  ///< null: there is nobody to ask
    std::string_view call_id;
    std::string peer;  ///< Call::peer
    TraceContext trace;
    unsigned hops = 0;
    std::shared_ptr<const ActorTurn> actor;  ///< as which actor it is called; null: as none
    BodyBudget* bodies = nullptr;            ///< for what is given and what comes back; may be null
    /// Whoever called has been told by then that it took too long, and nothing is asked any more. On a loop that may
    /// stand still the order to end can come later.
    Clock::time_point until = Clock::time_point::max();
  };

  explicit DaprSession(Caller caller) : caller_(std::move(caller)) {}
  ~DaprSession();
  DaprSession(const DaprSession&) = delete;
  DaprSession& operator=(const DaprSession&) = delete;

  [[nodiscard]] const Caller& caller() const { return caller_; }

  /// One request on its way.
  class Request;
  void begin(std::shared_ptr<Request> request);
  void end(WholeBody answer);  ///< of the request that is on its way

  [[nodiscard]] std::string_view answer() const { return answer_.bytes; }
  void forget() { answer_ = {}; }

 private:
  const Caller caller_;
  std::shared_ptr<Request> request_;  // null: none is on its way
  WholeBody answer_;
};

/// Defines the module's functions; their guests' host object is a Host.
void define_dapr(const wasm::Linker& linker);
/// Whether define_dapr() defines it.
[[nodiscard]] bool dapr_provides(std::string_view name);

}  // namespace trilby::host
