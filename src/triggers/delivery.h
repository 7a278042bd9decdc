/// \file  From events that came to calls of functions, and from how these end to what becomes of the events: the same
/// whatever protocol brought them.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <string>
#include <vector>

#include "base/result.h"
#include "call/call.h"
#include "triggers/app_triggers.h"
#include "triggers/event.h"
#include "triggers/retry_counts.h"
#include "triggers/router.h"

namespace trilby::triggers {

/// Threading: loop-bound. Ownership: what it is made with outlives it. It is destroyed after its last call has ended;
/// what it has not begun by then never ends.
class Deliveries {
 public:
  Deliveries(Router& router, observe::IdSource& ids);
  Deliveries(const Deliveries&) = delete;
  Deliveries& operator=(const Deliveries&) = delete;
  ~Deliveries();

  /// How the call of an event ended, and what becomes of the event; runs exactly once, possibly before bring() returns.
  using OnEnd = std::function<void(Outcome, Verdict)>;
  /// Calls the function of `trigger`, which outlives the call, for one event.
  /// \param event  or why what came is none: it is judged by the trigger's rules too
  /// \param call  what brought it, its body taken already; it becomes the call
  /// \param recurrence  "reminder" or "timer": an actor is called for this at its time, as an event is brought; empty
  /// for its methods and its deactivation, which are calls
  void bring(const EventTrigger& trigger, Result<Event> event, Call call, OnEnd done, std::string_view recurrence = {});

  /// How all of many ended: the verdicts in their order, and the outcome of the first that did not end well.
  using OnAllEnded = std::function<void(Outcome, std::vector<Verdict>)>;
  /// Makes the event of a place; asked once for each, when its turn comes.
  using EventAt = std::function<Result<Event>(std::size_t)>;
  /// The same for events that came together: so many at a time as the trigger says. Cancelling `call` cancels all.
  void bring_many(const EventTrigger& trigger, std::size_t count, EventAt event_at, Call call, OnAllEnded done);

 private:
  class Batch;

  void end(const EventTrigger& trigger, const std::string& event_id, const TraceContext& trace, Outcome outcome,
           OnEnd done);

  Router& router_;
  observe::IdSource& ids_;
  RetryCounts retries_;
  std::list<Batch> batches_;
};

/// The outcome for what came and is no event. The words are the publisher's own affair, so they go back to the sidecar
/// and not only to our log.
[[nodiscard]] Outcome refuse_event(const Error& error);

/// The outcome of an event for a topic that the manifest does not have any more, settled as one that is to be brought
/// again.
[[nodiscard]] Outcome stray_event();

/// Gives the outcome of an event that came alone what its sender is told: the status, as Dapr reads it over HTTP
/// (docs/dapr.md has it as a table), and the body. What it was stays for logs and records, with what becomes of the
/// event. The answer to a topic's event has no body yet: that says the verdict, in words of the protocol.
void settle(Outcome& outcome, EventTrigger::Kind kind, Verdict verdict);

/// Puts another answer into an outcome, which stays what it is for logs and records.
void answer_instead(Outcome& outcome, int status, std::string_view type, std::string body);

}  // namespace trilby::triggers
