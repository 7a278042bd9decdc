/// \file  What travels through Trilby. HTTP requests, Dapr callbacks, schedules, `trilby invoke` and tests all become a
/// Call, and every Call ends exactly once with an Outcome.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/reason.h"
#include "base/units.h"
#include "call/body.h"
#include "call/denials.h"
#include "call/fields.h"

namespace trilby::invoke {
class Admission;
}
namespace trilby::dapr {
struct AppWays;
}

namespace trilby {

/// Calls that call other functions count their hops; the last one is refused (design: loops between apps must end).
inline constexpr unsigned kMaxHops = 8;

/// W3C Trace Context of the caller, passed on; empty when there was none.
struct TraceContext {
  std::string traceparent;
  std::string tracestate;
};

/// Says that nobody waits for a call any more: the caller left, or the program drains. Shared by the one who made the
/// call and the one who runs it. Threading: loop-bound.
class Cancellation {
 public:
  /// The first call counts. The listener runs before this returns.
  void cancel(Reason why);
  [[nodiscard]] bool cancelled() const { return cancelled_; }
  [[nodiscard]] Reason why() const { return why_; }
  /// One listener at a time; runs at most once. Pass nullptr to stop listening.
  void listen(std::function<void(Reason)> listener) { listener_ = std::move(listener); }

 private:
  bool cancelled_ = false;
  Reason why_ = Reason::Cancelled;
  std::function<void(Reason)> listener_;
};

/// As which actor a function is called. Dapr lets one call at a time in.
struct ActorTurn {
  std::string type;
  std::string id;
  std::string
      reentrancy;  ///< Dapr-Reentrancy-Id: lets what this call asks of actors come back to this one; may be empty
};

/// One request or event on its way to whoever answers it. Movable; owns what it carries. Threading: loop-bound.
struct Call {
  std::string id;          ///< request id: 16 to 64 characters of [0-9A-Za-z_-], in the answer, the logs and the record
  std::string method;      ///< HTTP method, upper case; "POST" for events
  std::string path;        ///< normalised path, begins with '/', without the query
  std::size_t script = 0;  ///< how much of `path` its route names; the rest is for the function
  std::string query;       ///< without the '?', undecoded; may be empty
  Fields fields;           ///< without hop-by-hop and `trilby-*` fields
  Fields variables;        ///< of an event: what a command is told of it in its environment ("CE_ID"), each name once
  std::shared_ptr<const ActorTurn> actor;  ///< as which its function is called; null: as none
  std::unique_ptr<BodySource> body;        ///< never null
  Clock::time_point deadline =
      Clock::time_point::max();  ///< who asked gives up then; a function's own limits may be earlier
  TraceContext trace;
  std::string caller;     ///< who asked: an app-id, "http", "cli"
  std::string_view peer;  ///< who sent it, "127.0.0.1:40212"; empty when it came over no network. Valid while it lives
  std::shared_ptr<invoke::Admission> app;  ///< of the app whose function it calls; null: that sets no bound
  const dapr::AppWays* ways = nullptr;     ///< how the app whose function it calls asks Dapr; null: it cannot
  unsigned hops = 0;
  std::shared_ptr<Cancellation> cancellation;  ///< may be null: cannot be cancelled
};

/// What one run of a function cost. Zero where it did not come to that.
struct Record {
  Duration queued{};          ///< waiting for a slot, before its wall time began
  Duration instantiate{};     ///< store and instance
  Duration cpu{};             ///< the guest's own time on the thread
  Duration run{};             ///< from the guest's first step to its last, its waits included
  Duration wall{};            ///< from its slot to the end of the guest
  Clock::time_point ended{};  ///< of the call
  Bytes memory_peak{};        ///< all linear memories and GC heaps together
  Bytes memory_limit{};
  Bytes input{};
  Bytes output{};
  std::uint32_t inferences = 0;         ///< that it waited for
  Duration inference{};                 ///< time it waited for them, queue of the model included
  Denials denials;                      ///< what the guest asked for and was refused
  std::uint32_t log_lines_dropped = 0;  ///< of its standard error
};

/// How a call ended, and what to answer. Made by functions, files, upstreams and refusals alike.
struct Outcome {
  Reason reason = Reason::Internal;
  int status = 500;                  ///< HTTP status to answer with
  Fields fields;                     ///< of the answer: content-type, etag, ...
  std::unique_ptr<BodySource> body;  ///< null: answer with a problem document made of reason and detail
  std::string detail;    ///< safe for the caller, for the problem document; printable, one line, may be empty
  std::string message;   ///< for the operator's log only; may name paths, addresses, guest frames
  std::string function;  ///< the function that ran; empty when none did
  std::string call_id;   ///< of the call of that function, for its record; taken from there by whoever keeps it
  Record record;
};
using OnOutcome = std::function<void(Outcome)>;

/// An Outcome without body: status from the reason table, answered as a problem document.
[[nodiscard]] Outcome refusal(Reason reason, std::string detail = {});
/// The same, for an Error whose message is only for the operator.
[[nodiscard]] Outcome refusal(Error error);

}  // namespace trilby
