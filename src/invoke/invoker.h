/// \file  From a call to an outcome: admission, sandbox, calling convention, record.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "call/call.h"
#include "net/loop.h"
#include "observe/metric.h"
#include "policy/environment.h"
#include "policy/policy.h"

namespace trilby::invoke {

/// What a command's standard output is.
enum class Output : std::uint8_t {
  Body,  ///< of the answer
  Cgi,   ///< its header fields and its body (RFC 3875); the command is told the request in its environment
};

/// What a function is, from the manifest.
struct FunctionSpec {
  std::string name;
  std::filesystem::path module;
  policy::Policy policy;
  policy::Environment environment;
  Output output = Output::Body;
  /// Content type of what a command writes: a type, or "sniff" for the closed list of design.md.
  std::string content_type = "application/octet-stream";
};

/// A function ready to be called: compiled, linked, its policy in force. Immutable, but for the admission and the log
/// of its calls. Threading: shared by all loops. Ownership: shared_ptr; outlives its calls.
class Function;

/// Runs calls on one loop. Threading: loop-bound. Ownership: destroyed after its last call has ended (see cancel_all())
/// and before its loop.
class Invoker {
 public:
  virtual ~Invoker() = default;
  /// Takes `call` through admission to a fresh sandbox, later in this turn of the loop. `done` runs exactly once, on
  /// this loop; before start() returns only inside cancel_all().
  virtual void start(const std::shared_ptr<const Function>& function, Call call, OnOutcome done) = 0;

  /// Calls that have started and not ended: reading their body, waiting for a slot, or running.
  [[nodiscard]] virtual std::size_t live() const = 0;
  /// Ends every live call with `why` (Draining when the program stops), and those that their `done` starts. All of
  /// these have run when this returns.
  virtual void cancel_all(Reason why) = 0;
};

/// What the bodies of all calls together may take; null: as much as their own limits allow. Both outlive the calls, and
/// `answers` the bodies of their outcomes too.
struct BodyBudgets {
  BodyBudget* requests = nullptr;  ///< from the first byte that is read to the end of the call
  BodyBudget* answers = nullptr;   ///< from the end of the call until the answer is written
};

/// How an app asks Dapr from one loop; null where it cannot. What it gives outlives the calls there.
using FindWays = std::function<const dapr::AppWays*(std::string_view app_id)>;

class OwnLoops;
class SiblingLoops;

/// Where the calls of a loop go, and what comes from elsewhere finds there. Ownership: outlives the loop's invoker.
struct OtherLoops {
  OwnLoops* own = nullptr;           ///< for functions that need a loop of their own; null: they run as all others
  SiblingLoops* siblings = nullptr;  ///< which share out calls that compute; null: they run where they arrive
  FindWays ways = nullptr;           ///< of calls that a sibling has admitted; null: none can ask
  observe::Counter* sent = nullptr;  ///< counts the calls that go to siblings; may be null
};
[[nodiscard]] std::unique_ptr<Invoker> make_invoker(net::Loop& loop, BodyBudgets budgets = {}, OtherLoops other = {});

/// One call on a loop of its own, for `trilby invoke` and the like; blocks until it has ended.
[[nodiscard]] Outcome run_once(const std::shared_ptr<const Function>& function, Call call);

}  // namespace trilby::invoke
