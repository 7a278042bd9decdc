#include "triggers/app_channel.h"

#include <algorithm>
#include <utility>

#include "base/json.h"
#include "base/text.h"
#include "triggers/cloud_event.h"

namespace trilby::triggers {
namespace {

using Kind = EventTrigger::Kind;
using Part = AppChannel::Taken::Part;

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kCaller = "dapr";
/// What a sidecar adds when it passes on what another app asks.
constexpr std::string_view kInvokedBy = "dapr-caller-app-id";
/// Of a binding's event these are HTTP's; all others are the binding's metadata.
constexpr std::string_view kHttpsOwn[] = {"accept", "accept-encoding", "baggage", "content-encoding", "content-type",
                                          "host",   "user-agent"};

Outcome answer(int status, std::string_view type = {}, std::string body = {}) {
  Outcome outcome;
  outcome.reason = Reason::Ok;
  outcome.status = status;
  if (!type.empty()) {
    outcome.fields.add("content-type", std::string(type));
  }
  outcome.body = make_body(std::move(body));
  return outcome;
}

/// Puts another answer into an outcome, which stays what it is for logs and records.
void answer_instead(Outcome& outcome, int status, std::string_view type, std::string body) {
  Outcome other = answer(status, type, std::move(body));
  outcome.status = other.status;
  outcome.fields = std::move(other.fields);
  outcome.body = std::move(other.body);
}

/// For the log: what becomes of an event whose call did not end well.
void explain(Outcome& outcome, Verdict verdict) {
  const std::string_view what = verdict == Verdict::Drop    ? "the event is dropped"
                                : verdict == Verdict::Retry ? "the event is to be brought again"
                                                            : "the event counts as done";
  const std::string& why = outcome.message.empty() ? outcome.detail : outcome.message;
  outcome.message = why.empty() ? std::string(what) : fmt::format("{}: {}", what, why);
}

std::string status_document(Verdict verdict) {
  std::string out;
  JsonWriter(out).open_object().member("status", name(verdict)).close_object();
  return out;
}

bool is_json_type(const Fields& fields) {
  const std::string* type = fields.find("content-type");
  return type != nullptr && ascii_lower(type->substr(0, type->find(';'))) == kJson;
}

int failure_status(const Outcome& outcome) {
  return outcome.status >= 400 ? outcome.status : 500;
}

/// Whether a function of the app wants to answer Dapr's questions about the app itself.
bool is_for_a_function(const Route* route) {
  return route != nullptr && std::holds_alternative<FunctionTarget>(route->target);
}

/// What Dapr reads out of the answer to an event that came alone (docs/dapr.md has it as a table).
void answer_event(Outcome& outcome, Kind kind, Verdict verdict) {
  if (verdict != Verdict::Success) {
    explain(outcome, verdict);
  }
  switch (kind) {
    case Kind::Topic:
      return answer_instead(outcome, 200, kJson, status_document(verdict));
    case Kind::Binding:
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

/// Metadata of a binding's event, which comes as fields.
Result<void> tell_fields(Event& event, const Fields& fields) {
  for (const Field& field : fields) {
    const std::string lower = ascii_lower(field.name);
    const std::string variable = "DAPR_METADATA_" + variable_suffix(field.name);
    if (std::find(std::begin(kHttpsOwn), std::end(kHttpsOwn), lower) == std::end(kHttpsOwn) &&
        event.variables.find(variable) == nullptr) {
      TRILBY_CHECK(event.tell(variable, field.value));
    }
  }
  return {};
}

/// Which key of a configuration store `path` tells about.
std::string_view key_of(const EventTrigger& trigger, std::string_view path) {
  return trigger.subject.empty() ? path.substr(trigger.path.size() - 1) : std::string_view(trigger.subject);
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
      TRILBY_CHECK(event.tell("DAPR_CONFIGURATION_KEY", key_of(trigger, path)));
      return event.tell("DAPR_TRIGGER", "configuration");
  }
  return {};
}

/// An event that came alone.
Result<Event> read_event(const EventTrigger& trigger, const Call& call, std::string body) {
  Event event;
  if (trigger.kind == Kind::Topic) {
    TRILBY_ASSIGN(event, read_delivered_event(call.fields, std::move(body)));
  } else if (trigger.kind == Kind::Configuration) {
    TRILBY_ASSIGN(const JsonValue change, parse_json(body));
    TRILBY_ASSIGN(event, read_configuration_change(change, key_of(trigger, call.path)));
  } else {
    event.data = std::move(body);
    if (trigger.kind == Kind::Binding) {
      TRILBY_CHECK(tell_fields(event, call.fields));
    }
  }
  TRILBY_CHECK(tell_trigger(event, trigger, call.path));
  return event;
}

/// The words are the publisher's own affair, so they go back to the sidecar and not only to our log.
Outcome refuse_event(const Error& error) {
  Outcome outcome = refusal(error.reason, error.message);
  outcome.record.ended = Clock::now();
  return outcome;
}

}  // namespace

AppTriggers::AppTriggers(Settings settings) : settings_(std::move(settings)) {
  for (const EventTrigger& trigger : settings_.triggers) {
    if (trigger.path.ends_with("/*")) {
      by_prefix_.push_back(&trigger);
    } else {
      by_path_.emplace(trigger.path, &trigger);
    }
    has_topics_ = has_topics_ || trigger.kind == Kind::Topic;
  }
}

const EventTrigger* AppTriggers::find(std::string_view path) const {
  if (const auto at = by_path_.find(path); at != by_path_.end()) {
    return at->second;
  }
  const auto at = std::find_if(by_prefix_.begin(), by_prefix_.end(), [&](const EventTrigger* trigger) {
    const std::string_view prefix = std::string_view(trigger->path).substr(0, trigger->path.size() - 1);
    return path.starts_with(prefix) && path.size() > prefix.size();
  });
  return at == by_prefix_.end() ? nullptr : *at;
}

/// A request that brings events, on its way: its body is read, each event becomes a call, and all of them together
/// become an answer.
class AppChannel::Delivery {
 public:
  Delivery(AppChannel& channel, const EventTrigger& trigger, Call call, OnOutcome done)
      : channel_(channel), trigger_(trigger), call_(std::move(call)), done_(std::move(done)) {}
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  void start() {
    is_bulk_ = trigger_.kind == Kind::Topic && is_json_type(call_.fields);
    std::optional<Result<WholeBody>> arrived;
    arrived_ = &arrived;
    reading_ = read_all(std::move(call_.body), is_bulk_ ? trigger_.bulk_limit : trigger_.event_limit,
                        BodyBudget::Share(channel_.bodies_), [this](Result<WholeBody> body) {
                          if (arrived_ != nullptr) {
                            *arrived_ = std::move(body);
                          } else {
                            take(std::move(body));
                          }
                        });
    arrived_ = nullptr;
    if (arrived) {
      take(std::move(*arrived));
    }
  }

  std::list<Delivery>::iterator self;

 private:
  void take(Result<WholeBody> body) {
    if (!body) {
      // How large many events are together is not the fault of one.
      if (is_bulk_ || !is_bad_input(body.error().reason)) {
        return finish(refuse_event(body.error()));
      }
      return conclude(refuse_event(body.error()));
    }
    if (is_bulk_) {
      return take_bulk(std::move(*body));
    }
    auto event = read_event(trigger_, call_, std::move(body->bytes));
    if (!event) {
      return conclude(refuse_event(event.error()));
    }
    body->share.release();  // the function's own reading of it counts from here
    give(std::move(*event), call_);
    channel_.router_.call_function(trigger_.function, std::move(call_),
                                   [this](Outcome outcome) { conclude(std::move(outcome)); });
  }

  void conclude(Outcome outcome) {
    answer_event(outcome, trigger_.kind, judge(outcome, trigger_.rules));
    finish(std::move(outcome));
  }

  void take_bulk(WholeBody body) {
    body_ = std::move(body);
    const auto envelope = parse_json(body_.bytes);
    auto entries = envelope ? read_bulk(*envelope) : Result<std::vector<BulkEntry>>(fail(envelope.error()));
    if (!entries) {
      return finish(refuse_event(entries.error()));
    }
    entries_ = std::move(*entries);
    verdicts_.assign(entries_.size(), Verdict::Retry);
    if (call_.cancellation && call_.cancellation->cancelled()) {
      cancelled_ = call_.cancellation->why();
    } else if (call_.cancellation) {
      call_.cancellation->listen([this](Reason why) { cancel(why); });
    }
    pump();
  }

  /// Starts entries while there is room. A call may end before call_function() returns, and then comes back here: the
  /// loop that is already there goes on.
  void pump() {
    if (std::exchange(pumping_, true)) {
      return;
    }
    while (next_ < entries_.size() && live_.size() < trigger_.at_once) {
      start_entry(next_++);
    }
    pumping_ = false;
    if (live_.empty() && next_ == entries_.size()) {
      finish_bulk();
    }
  }

  void start_entry(std::size_t index) {
    if (cancelled_) {
      return end_entry(index, refusal(*cancelled_));
    }
    auto event = read_bulk_entry(entries_[index]);
    if (event) {
      if (auto told = tell_trigger(*event, trigger_, call_.path); !told) {
        event = fail(std::move(told).error());
      }
    }
    if (!event) {
      return end_entry(index, refuse_event(event.error()));
    }
    Call call;
    call.id = channel_.ids_.request_id();
    call.method = call_.method;
    call.path = call_.path;
    call.script = call_.script;
    call.deadline = call_.deadline;
    call.trace = call_.trace;
    call.caller = call_.caller;
    call.peer = call_.peer;
    call.cancellation = std::make_shared<Cancellation>();
    give(std::move(*event), call);
    const auto place = live_.insert(live_.end(), call.cancellation);
    channel_.router_.call_function(trigger_.function, std::move(call), [this, index, place](Outcome outcome) {
      live_.erase(place);
      end_entry(index, std::move(outcome));
      pump();
    });
  }

  void end_entry(std::size_t index, Outcome outcome) {
    verdicts_[index] = judge(outcome, trigger_.rules);
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

  void finish_bulk() {
    if (call_.cancellation) {
      call_.cancellation->listen(nullptr);
    }
    Outcome outcome = first_failure_ ? std::move(*first_failure_) : answer(200);
    if (first_failure_) {
      outcome.message = fmt::format("{} of {} events did not end well; the first: {}", failed_, entries_.size(),
                                    outcome.message.empty() ? outcome.detail : outcome.message);
    }
    outcome.function = std::move(function_);
    std::string document;
    JsonWriter json(document);
    json.open_object().key("statuses").open_array();
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      json.open_object().member("entryId", entries_[i].id).member("status", name(verdicts_[i])).close_object();
    }
    json.close_array().close_object();
    answer_instead(outcome, 200, kJson, std::move(document));
    finish(std::move(outcome));
  }

  void finish(Outcome outcome) {
    const OnOutcome done = std::move(done_);
    channel_.deliveries_.erase(self);  // destroys this
    done(std::move(outcome));
  }

  AppChannel& channel_;
  const EventTrigger& trigger_;
  Call call_;
  OnOutcome done_;
  bool is_bulk_ = false;
  std::shared_ptr<void> reading_;
  std::optional<Result<WholeBody>>* arrived_ = nullptr;  // while read_all() may answer at once

  // Of many events:
  WholeBody body_;
  std::vector<BulkEntry> entries_;  // views into body_
  std::vector<Verdict> verdicts_;
  std::size_t next_ = 0;
  std::list<std::shared_ptr<Cancellation>> live_;
  bool pumping_ = false;
  std::optional<Reason> cancelled_;
  std::string function_;  // its name
  std::size_t failed_ = 0;
  std::optional<Outcome> first_failure_;
};

AppChannel::AppChannel(std::shared_ptr<const AppTriggers> triggers, Router& router, observe::IdSource& ids,
                       BodyBudget* bodies)
    : triggers_(std::move(triggers)), router_(router), ids_(ids), bodies_(bodies) {}

AppChannel::~AppChannel() = default;

bool AppChannel::is_probe(std::string_view method, std::string_view target) const {
  return method == "GET" && target.substr(0, target.find('?')) == triggers_->settings().health_path;
}

std::optional<AppChannel::Taken> AppChannel::match(const Call& call) const {
  const std::size_t own = triggers_->settings().own_label;
  if (is_probe(call.method, call.path)) {
    return Taken{Part::Probe, nullptr, own};
  }
  if (call.fields.find(kInvokedBy) != nullptr) {
    return std::nullopt;
  }
  if (call.method == "POST") {
    if (const EventTrigger* trigger = triggers_->find(call.path)) {
      return Taken{Part::Event, trigger, trigger->label};
    }
    return call.path.starts_with(kTopicPaths) ? std::optional(Taken{Part::Strayed, nullptr, own}) : std::nullopt;
  }
  if (call.method == "GET" && call.path == "/dapr/config" && !is_for_a_function(router_.match(call))) {
    return Taken{Part::Config, nullptr, own};
  }
  if (call.method == "GET" && call.path == "/dapr/subscribe" &&
      (triggers_->has_topics() || !is_for_a_function(router_.match(call)))) {
    return Taken{Part::Subscriptions, nullptr, own};
  }
  if (call.method == "OPTIONS" && call.fields.find("access-control-request-method") == nullptr) {
    const EventTrigger* trigger = triggers_->find(call.path);
    if (trigger != nullptr && trigger->kind == Kind::Binding) {
      return Taken{Part::Offer, trigger, trigger->label};
    }
    if (router_.match(call) == nullptr) {
      return Taken{Part::Nothing, nullptr, own};
    }
  }
  return std::nullopt;
}

void AppChannel::run(const Taken& taken, Call call, OnOutcome done) {
  switch (taken.part) {
    case Part::Probe:
    case Part::Offer:
      return done(answer(200));
    case Part::Config:
      return done(answer(200, kJson, R"({"entities":[]})"));
    case Part::Subscriptions:
      return done(answer(200, kJson, triggers_->settings().subscriptions));
    case Part::Nothing:
      // 405, which the routes might say, would count as a yes.
      return done(refusal(Reason::NotFound));
    case Part::Strayed: {
      // 404 would have the sidecar drop it.
      Outcome outcome = refusal(Reason::NotFound);
      outcome.message =
          "no topic of the manifest has this path; the sidecar subscribed for an earlier one and has to start anew";
      answer_event(outcome, Kind::Topic, Verdict::Retry);
      return done(std::move(outcome));
    }
    case Part::Event:
      break;
  }
  call.caller = kCaller;
  const std::string& path = taken.trigger->path;
  call.script = path.ends_with("/*") ? path.size() - 2 : call.path.size();
  Delivery& delivery = deliveries_.emplace_back(*this, *taken.trigger, std::move(call), std::move(done));
  delivery.self = std::prev(deliveries_.end());
  delivery.start();
}

}  // namespace trilby::triggers
