#include "triggers/delivery.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "observe/trace.h"
#include "observe/tracer.h"
#include "triggers/outcome_text.h"

namespace trilby::triggers {
namespace {

using Kind = EventTrigger::Kind;

constexpr std::string_view kCaller = "dapr";

/// For the log: what becomes of an event whose call did not end well.
void explain(Outcome& outcome, Verdict verdict) {
  const std::string_view what = verdict == Verdict::Drop    ? "the event is dropped"
                                : verdict == Verdict::Retry ? "the event is to be brought again"
                                                            : "the event counts as done";
  outcome.message = why(outcome).empty() ? std::string(what) : fmt::format("{}: {}", what, why(outcome));
}

int failure_status(const Outcome& outcome) {
  return outcome.status >= 400 ? outcome.status : 500;
}

/// What every event of a trigger says beside its own attributes.
Result<void> tell_trigger(Event& event, const EventTrigger& trigger, std::string_view path) {
  const auto tell_if_new = [&](std::string_view name, std::string_view value) -> Result<void> {
    return event.variables.find(name) == nullptr ? event.tell(name, value) : Result<void>();
  };
  switch (trigger.kind) {
    case Kind::Topic:
      TRILBY_CHECK(tell_if_new("CE_PUBSUBNAME", trigger.component));
      TRILBY_CHECK(tell_if_new("CE_TOPIC", trigger.subject));
      return event.tell("DAPR_TRIGGER", "topic");
    case Kind::Binding:
      TRILBY_CHECK(event.tell("DAPR_BINDING", trigger.component));
      return event.tell("DAPR_TRIGGER", "binding");
    case Kind::Job:
      TRILBY_CHECK(event.tell("DAPR_JOB", trigger.subject));
      return event.tell("DAPR_TRIGGER", "job");
    case Kind::Configuration:
      TRILBY_CHECK(event.tell("DAPR_CONFIGURATION_STORE", trigger.component));
      TRILBY_CHECK(event.tell("DAPR_CONFIGURATION_KEY", configuration_key(trigger, path)));
      return event.tell("DAPR_TRIGGER", "configuration");
    case Kind::Actor:
      return {};  // which says all of it (actor.h)
  }
  return {};
}

/// An event as its function is told of it.
Result<Event> told_event(Result<Event> event, const EventTrigger& trigger, std::string_view path) {
  if (event) {
    TRILBY_CHECK(tell_trigger(*event, trigger, path));
  }
  return event;
}

/// "process topic broker/orders", "process reminder Counter".
std::string span_name_of(const observe::Labels& labels, const EventTrigger& trigger, std::string_view recurrence) {
  return recurrence.empty() ? fmt::format("process {}", labels.routes()[trigger.label].route)
                            : fmt::format("process {} {}", recurrence, trigger.component);
}

/// The span of one event. A trace of its own led to it: that of whoever published it, and the sidecar's, which brought
/// it, is another where the broker or the sidecar began one.
class EventSpan {
 public:
  EventSpan(observe::Tracer& tracer, const EventTrigger& trigger, std::string_view app, const Result<Event>& event,
            Call& call, std::string_view recurrence)
      : tracer_(tracer),
        trigger_(trigger),
        app_(app),
        ids_(tracer.begin_child(call.trace, call.trace)),
        recurrence_(recurrence) {
    if (!ids_.is_recorded() || !event) {
      return;
    }
    const std::string* const publisher = event->variables.find("CE_TRACEPARENT");
    if (publisher != nullptr && observe::is_traceparent(*publisher)) {
      publisher_ = observe::parse_traceparent(*publisher);
    }
    if (const std::string* const id = event->variables.find("CE_ID")) {
      id_ = id->substr(0, observe::kMaxAttributeBytes);
    }
  }

  [[nodiscard]] bool is_recorded() const { return ids_.is_recorded(); }

  void end(const Outcome& outcome, Verdict verdict) const {
    const std::string span_name = span_name_of(tracer_.labels(), trigger_, recurrence_);
    tracer_.record(ids_, observe::SpanKind::Consumer, span_name, began_, Clock::now(), [&](observe::SpanWriter& span) {
      span.attribute("messaging.system", std::string_view("dapr"));
      span.attribute("messaging.operation.type", std::string_view("process"));
      span.attribute("messaging.destination.name",
                     std::string_view(trigger_.subject.empty() ? trigger_.component : trigger_.subject));
      if (!id_.empty()) {
        span.attribute("messaging.message.id", std::string_view(id_));
      }
      if (!trigger_.component.empty()) {
        span.attribute("trilby.component", std::string_view(trigger_.component));
      }
      span.attribute("trilby.app", app_);
      span.attribute("trilby.reason", name(outcome.reason));
      span.attribute("trilby.verdict", name(verdict));
      if (publisher_) {
        span.link(*publisher_);
      }
      if (verdict != Verdict::Success) {
        span.fail(outcome.reason, outcome.status);
      }
    });
  }

 private:
  observe::Tracer& tracer_;
  const EventTrigger& trigger_;
  const std::string_view app_;
  const observe::SpanIds ids_;
  const std::string_view recurrence_;
  const Clock::time_point began_ = Clock::now();
  std::optional<observe::ParsedTraceparent> publisher_;
  std::string id_;
};

}  // namespace

Outcome refuse_event(const Error& error) {
  Outcome outcome = refusal(error.reason, error.message);
  outcome.record.ended = Clock::now();
  return outcome;
}

void answer_instead(Outcome& outcome, int status, std::string_view type, std::string body) {
  outcome.status = status;
  outcome.fields.clear();
  if (!type.empty()) {
    outcome.fields.add("content-type", std::string(type));
  }
  outcome.body = make_body(std::move(body));
}

void settle(Outcome& outcome, Kind kind, Verdict verdict) {
  if (verdict != Verdict::Success) {
    explain(outcome, verdict);
  }
  switch (kind) {
    case Kind::Topic:
      outcome.status = 200;
      outcome.fields.clear();
      return outcome.body.reset();
    case Kind::Binding:
    case Kind::Actor:  // a reminder or timer
      if (verdict == Verdict::Drop) {
        return answer_instead(outcome, 200, {}, {});
      }
      break;
    case Kind::Job:
      if (verdict == Verdict::Drop) {
        outcome.status = 404;  // which the sidecar does not try again
        return outcome.body.reset();
      }
      outcome.status = outcome.status == 404 ? 500 : outcome.status;  // which would be a drop
      break;
    case Kind::Configuration:
      if (verdict != Verdict::Retry) {
        return answer_instead(outcome, 200, {}, {});
      }
      break;
  }
  outcome.status = verdict == Verdict::Success ? 200 : failure_status(outcome);
}

Outcome stray_event() {
  Outcome outcome = refusal(Reason::NotFound);
  outcome.message =
      "no topic of the manifest has this path; the sidecar subscribed for an earlier one and has to start anew";
  settle(outcome, Kind::Topic, Verdict::Retry);
  return outcome;
}

/// Events that came together, on their way.
class Deliveries::Batch {
 public:
  Batch(Deliveries& owner, const EventTrigger& trigger, std::size_t count, EventAt event_at, Call call, OnAllEnded done)
      : owner_(owner),
        trigger_(trigger),
        event_at_(std::move(event_at)),
        call_(std::move(call)),
        done_(std::move(done)),
        verdicts_(count, Verdict::Retry) {}
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  void start() {
    if (call_.cancellation && call_.cancellation->cancelled()) {
      cancelled_ = call_.cancellation->why();
    } else if (call_.cancellation) {
      call_.cancellation->listen([this](Reason why) { cancel(why); });
    }
    pump();
  }

  std::list<Batch>::iterator self;

 private:
  /// Starts events while there is room. A call may end before bring() returns, and then comes back here: the loop that
  /// is already there goes on.
  void pump() {
    if (std::exchange(pumping_, true)) {
      return;
    }
    while (next_ < verdicts_.size() && live_.size() < trigger_.at_once) {
      start_one(next_++);
    }
    pumping_ = false;
    if (live_.empty() && next_ == verdicts_.size()) {
      finish();
    }
  }

  void start_one(std::size_t index) {
    if (cancelled_) {
      Outcome outcome = refusal(*cancelled_);
      const Verdict verdict = judge(outcome, trigger_.rules);
      return end_one(index, std::move(outcome), verdict);
    }
    Call call;
    call.id = owner_.ids_.request_id();
    call.method = call_.method;
    call.path = call_.path;
    call.deadline = call_.deadline;
    call.trace = call_.trace;
    call.peer = call_.peer;
    call.cancellation = std::make_shared<Cancellation>();
    const auto place = live_.insert(live_.end(), call.cancellation);
    owner_.bring(trigger_, event_at_(index), std::move(call), [this, index, place](Outcome outcome, Verdict verdict) {
      live_.erase(place);
      end_one(index, std::move(outcome), verdict);
      pump();
    });
  }

  void end_one(std::size_t index, Outcome outcome, Verdict verdict) {
    verdicts_[index] = verdict;
    if (function_.empty()) {
      function_ = outcome.function;
    }
    if (outcome.reason != Reason::Ok) {
      ++failed_;
      if (!first_failure_) {
        first_failure_ = std::move(outcome);
      }
    }
  }

  void cancel(Reason why) {
    cancelled_ = why;
    pumping_ = true;  // those that end at once start no others
    for (const auto& one : std::vector(live_.begin(), live_.end())) {
      one->cancel(why);
    }
    pumping_ = false;
    pump();
  }

  void finish() {
    if (call_.cancellation) {
      call_.cancellation->listen(nullptr);
    }
    Outcome outcome;
    if (first_failure_) {
      outcome = std::move(*first_failure_);
      outcome.message =
          fmt::format("{} of {} events did not end well; the first: {}", failed_, verdicts_.size(), why(outcome));
    } else {
      outcome.reason = Reason::Ok;
      outcome.status = 200;
    }
    outcome.function = std::move(function_);
    const OnAllEnded done = std::move(done_);
    std::vector<Verdict> verdicts = std::move(verdicts_);
    owner_.batches_.erase(self);  // destroys this
    done(std::move(outcome), std::move(verdicts));
  }

  Deliveries& owner_;
  const EventTrigger& trigger_;
  const EventAt event_at_;
  const Call call_;
  OnAllEnded done_;
  std::vector<Verdict> verdicts_;
  std::size_t next_ = 0;
  std::list<std::shared_ptr<Cancellation>> live_;
  bool pumping_ = false;
  std::optional<Reason> cancelled_;
  std::string function_;  // its name
  std::size_t failed_ = 0;
  std::optional<Outcome> first_failure_;
};

Deliveries::Deliveries(Router& router, observe::IdSource& ids)
    : router_(router), ids_(ids), retries_(router.blocks()) {}

Deliveries::~Deliveries() = default;

void Deliveries::bring(const EventTrigger& trigger, Result<Event> event, Call call, OnEnd done,
                       std::string_view recurrence) {
  call.caller = kCaller;
  call.script = trigger.path.ends_with("/*") ? trigger.path.size() - 2 : call.path.size();
  auto told = told_event(std::move(event), trigger, call.path);
  if (router_.tracer() != nullptr && (trigger.kind != Kind::Actor || !recurrence.empty())) {
    EventSpan span(*router_.tracer(), trigger, router_.app_id(), told, call, recurrence);
    if (span.is_recorded()) {
      done = [span = std::move(span), done = std::move(done)](Outcome outcome, Verdict verdict) {
        span.end(outcome, verdict);
        done(std::move(outcome), verdict);
      };
    }
  }
  if (!told) {
    Outcome outcome = refuse_event(told.error());
    const Verdict verdict = judge(outcome, trigger.rules);
    return done(std::move(outcome), verdict);
  }
  give(std::move(*told), call);
  std::string id;
  TraceContext trace;
  if (!trigger.retries.store.empty()) {  // else nobody counts
    const std::string* said = call.variables.find("CE_ID");
    id = said == nullptr ? std::string() : *said;
    trace = call.trace;
  }
  OnOutcome ended = [this, &trigger, id = std::move(id), trace = std::move(trace), done = std::move(done)](
                        Outcome outcome) mutable { end(trigger, id, trace, std::move(outcome), std::move(done)); };
  router_.call_function(trigger.function, std::move(call), std::move(ended));
}

/// An event that fails for the last time that it may is not brought again.
void Deliveries::end(const EventTrigger& trigger, const std::string& event_id, const TraceContext& trace,
                     Outcome outcome, OnEnd done) {
  const Verdict verdict = judge(outcome, trigger.rules);
  if (verdict != Verdict::Retry || trigger.retries.store.empty() || event_id.empty() ||
      event_id.size() > kMaxCountedId || !counts_against_event(outcome.reason)) {
    return done(std::move(outcome), verdict);
  }
  auto kept = std::make_shared<Outcome>(std::move(outcome));
  retries_.count(trigger.retries, trigger.path, event_id, trace,
                 [this, &trigger, event_id, kept, done = std::move(done)](Result<std::uint32_t> before) {
                   const std::string reason = why(*kept).empty() ? "" : ": " + why(*kept);
                   if (!before) {
                     kept->message = fmt::format("how often is not known ({}){}", before.error().message, reason);
                     return done(std::move(*kept), Verdict::Retry);
                   }
                   if (*before < trigger.retries.most) {
                     return done(std::move(*kept), Verdict::Retry);
                   }
                   router_.metrics().event_given_up(trigger.label);
                   log::error("an event is given up", {{"app", router_.app_id()},
                                                       {"trigger", trigger.path},
                                                       {"event", event_id},
                                                       {"reason", name(kept->reason)},
                                                       {"brought_again", *before},
                                                       {"dead_letter", trigger.has_dead_letter}});
                   kept->message = fmt::format("it was brought again {} times{}", *before, reason);
                   done(std::move(*kept), Verdict::Drop);
                 });
}

void Deliveries::bring_many(const EventTrigger& trigger, std::size_t count, EventAt event_at, Call call,
                            OnAllEnded done) {
  Batch& batch = batches_.emplace_back(*this, trigger, count, std::move(event_at), std::move(call), std::move(done));
  batch.self = std::prev(batches_.end());
  batch.start();
}

}  // namespace trilby::triggers
