#include "triggers/app_channel.h"

#include <algorithm>
#include <utility>

#include "base/json.h"
#include "base/text.h"
#include "dapr/building_blocks.h"
#include "dapr/service_invocation.h"
#include "triggers/cloud_event.h"

namespace trilby::triggers {
namespace {

using Kind = EventTrigger::Kind;
using Part = AppChannel::Taken::Part;

constexpr std::string_view kJson = "application/json";
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

std::string status_document(Verdict verdict) {
  std::string out;
  JsonWriter(out).open_object().member("status", name(verdict)).close_object();
  return out;
}

std::string statuses_document(const std::vector<BulkEntry>& entries, const std::vector<Verdict>& verdicts) {
  std::string out;
  JsonWriter json(out);
  json.open_object().key("statuses").open_array();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    json.open_object().member("entryId", entries[i].id).member("status", name(verdicts[i])).close_object();
  }
  json.close_array().close_object();
  return out;
}

/// What Dapr reads out of the answer to an event that came alone.
void answer_event(Outcome& outcome, Kind kind, Verdict verdict) {
  settle(outcome, kind, verdict);
  if (kind == Kind::Topic) {
    answer_instead(outcome, 200, kJson, status_document(verdict));
  }
}

/// As it brings many events: nothing else is JSON here, and events that come alone are of a type of their own.
bool is_plain_json(const Fields& fields) {
  const std::string* type = fields.find("content-type");
  return type != nullptr && ascii_lower(type->substr(0, type->find(';'))) == kJson;
}

/// Whether a function of the app wants to answer Dapr's questions about the app itself.
bool is_for_a_function(const Route* route) {
  return route != nullptr && std::holds_alternative<FunctionTarget>(route->target);
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

/// What lets an actor's calls of others come back to it: a short word of Dapr's.
std::string reentrancy_of(const Fields& fields) {
  constexpr std::string_view kField = "dapr-reentrancy-id";
  constexpr std::size_t kMost = 128;
  const std::string* id = fields.find(kField);
  return id != nullptr && id->size() <= kMost && fields.count(kField) == 1 ? *id : std::string();
}

/// Deliveries::bring()'s.
std::string_view recurrence_of(ActorRequest::What what) {
  return what == ActorRequest::What::Reminder ? "reminder" : what == ActorRequest::What::Timer ? "timer" : "";
}

/// An event that came alone.
Result<Event> read_event(const EventTrigger& trigger, const std::optional<ActorRequest>& actor, const Call& call,
                         std::string body) {
  Event event;
  if (actor) {
    TRILBY_ASSIGN(event, read_actor_event(*actor, std::move(body)));
  } else if (trigger.kind == Kind::Topic) {
    TRILBY_ASSIGN(event, read_delivered_event(call.fields, std::move(body)));
  } else if (trigger.kind == Kind::Configuration) {
    TRILBY_ASSIGN(event, read_configuration_event(trigger, call.path, body));
  } else {
    event.data = std::move(body);
    if (trigger.kind == Kind::Binding) {
      TRILBY_CHECK(tell_fields(event, call.fields));
    }
  }
  return event;
}

}  // namespace

/// A request that brings events: its body is read, what is in it is brought to the function, and how that ends becomes
/// the answer.
class AppChannel::Arrival {
 public:
  Arrival(AppChannel& channel, Taken taken, Call call, OnOutcome done)
      : channel_(channel),
        trigger_(*taken.trigger),
        actor_(std::move(taken.actor)),
        call_(std::move(call)),
        done_(std::move(done)) {
    if (actor_) {
      call_.actor = std::make_shared<const ActorTurn>(actor_->turn);
    }
  }
  Arrival(const Arrival&) = delete;
  Arrival& operator=(const Arrival&) = delete;

  void start() {
    is_bulk_ = trigger_.kind == Kind::Topic && is_plain_json(call_.fields);
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

  std::list<Arrival>::iterator self;

 private:
  void take(Result<WholeBody> body) {
    if (body) {
      return is_bulk_ ? bring_many(std::move(*body)) : bring(std::move(*body));
    }
    // How large many events are together is not the fault of one.
    if (is_bulk_ || !is_bad_input(body.error().reason)) {
      return finish(refuse_event(body.error()));
    }
    Outcome refused = refuse_event(body.error());
    const Verdict verdict = judge(refused, trigger_.rules);
    conclude(std::move(refused), verdict);
  }

  void bring(WholeBody body) {
    auto event = read_event(trigger_, actor_, call_, std::move(body.bytes));
    body.share.release();  // the function's own reading of it counts from here
    channel_.deliveries_.bring(
        trigger_, std::move(event), std::move(call_),
        [this](Outcome outcome, Verdict verdict) { conclude(std::move(outcome), verdict); },
        actor_ ? recurrence_of(actor_->what) : std::string_view());
  }

  void conclude(Outcome outcome, Verdict verdict) {
    if (!actor_) {
      answer_event(outcome, trigger_.kind, verdict);
      return finish(std::move(outcome));
    }
    settle(outcome, actor_->what, verdict);
    if (ends_reminder(*actor_, outcome) && channel_.router_.blocks() != nullptr) {
      return forget_reminder(std::move(outcome));
    }
    finish(std::move(outcome));
  }

  /// daprd 1.18 hears that a reminder is to end and goes on with it, so it is told in its own API. (It goes on with a
  /// timer too; one that is taken from it in its own turn nobody can end any more.)
  void forget_reminder(Outcome outcome) {
    const dapr::ActorRecurrence recurrence{
        dapr::ActorRecurrence::Kind::Reminder, {actor_->turn.type, actor_->turn.id}, actor_->name};
    ended_ = std::move(outcome);
    forgetting_ = channel_.router_.blocks()->set_recurrence(recurrence, nullptr, {}, [this](const Result<void>& done) {
      if (!done) {  // it comes again, and may be ended then
        ended_.message = fmt::format("the reminder could not be ended: {}", done.error().message);
      }
      finish(std::move(ended_));
    });
  }

  void bring_many(WholeBody body) {
    body_ = std::move(body);
    const auto envelope = parse_json(body_.bytes);
    auto entries = envelope ? read_bulk(*envelope) : Result<std::vector<BulkEntry>>(fail(envelope.error()));
    if (!entries) {
      return finish(refuse_event(entries.error()));
    }
    entries_ = std::move(*entries);
    channel_.deliveries_.bring_many(
        trigger_, entries_.size(), [this](std::size_t index) { return read_bulk_entry(entries_[index]); },
        std::move(call_),
        [this](Outcome outcome, const std::vector<Verdict>& verdicts) {
          answer_instead(outcome, 200, kJson, statuses_document(entries_, verdicts));
          finish(std::move(outcome));
        });
  }

  void finish(Outcome outcome) {
    const OnOutcome done = std::move(done_);
    channel_.arrivals_.erase(self);  // destroys this
    done(std::move(outcome));
  }

  AppChannel& channel_;
  const EventTrigger& trigger_;
  const std::optional<ActorRequest> actor_;
  Call call_;
  OnOutcome done_;
  bool is_bulk_ = false;
  std::shared_ptr<void> reading_;
  std::optional<Result<WholeBody>>* arrived_ = nullptr;  // while read_all() may answer at once

  // Of a reminder that ends:
  Outcome ended_;
  std::shared_ptr<void> forgetting_;

  // Of many events:
  WholeBody body_;
  std::vector<BulkEntry> entries_;  // views into body_
};

AppChannel::AppChannel(std::shared_ptr<const AppTriggers> triggers, Router& router, observe::IdSource& ids,
                       BodyBudget* bodies)
    : triggers_(std::move(triggers)), router_(router), bodies_(bodies), deliveries_(router, ids) {}

AppChannel::~AppChannel() = default;

bool AppChannel::is_probe(std::string_view method, std::string_view target) const {
  return method == "GET" && target.substr(0, target.find('?')) == triggers_->settings().health_path;
}

/// A sidecar says who calls a method, and of an invocation also whom: only this tells one from the other. A method that
/// somebody calls is never a reminder or a timer, whatever its name is.
std::optional<AppChannel::Taken> AppChannel::match_actor(const Call& call, std::string_view target) const {
  if (triggers_->settings().actors.empty() || call.fields.find(dapr::kInvokedOf) != nullptr) {
    return std::nullopt;
  }
  auto request = read_actor_request(call.method, call.path, target);
  if (!request) {
    return Taken{Part::Refused, nullptr, triggers_->settings().own_label, {}, std::move(request).error().message};
  }
  const EventTrigger* const trigger = *request ? triggers_->find_actor((*request)->turn.type) : nullptr;
  if (trigger == nullptr ||
      ((*request)->what != ActorRequest::What::Method && call.fields.find(dapr::kInvokedBy) != nullptr)) {
    return std::nullopt;
  }
  (*request)->turn.reentrancy = reentrancy_of(call.fields);
  return Taken{Part::Actor, trigger, trigger->label, std::move(*request), {}};
}

std::optional<AppChannel::Taken> AppChannel::match(const Call& call, std::string_view target) const {
  const std::size_t own = triggers_->settings().own_label;
  if (is_probe(call.method, call.path)) {
    return Taken{Part::Probe, nullptr, own, {}, {}};
  }
  if (auto taken = match_actor(call, target)) {
    return taken;
  }
  if (call.fields.find(dapr::kInvokedBy) != nullptr) {
    return std::nullopt;
  }
  if (call.method == "POST") {
    if (const EventTrigger* trigger = triggers_->find(call.path)) {
      return Taken{Part::Event, trigger, trigger->label, {}, {}};
    }
    return call.path.starts_with(kTopicPaths) ? std::optional(Taken{Part::Strayed, nullptr, own, {}, {}})
                                              : std::nullopt;
  }
  if (call.method == "GET" && call.path == "/dapr/config" &&
      (!triggers_->settings().actors.empty() || !is_for_a_function(router_.match(call)))) {
    return Taken{Part::Config, nullptr, own, {}, {}};
  }
  if (call.method == "GET" && call.path == "/dapr/subscribe" &&
      (triggers_->has_topics() || !is_for_a_function(router_.match(call)))) {
    return Taken{Part::Subscriptions, nullptr, own, {}, {}};
  }
  if (call.method == "OPTIONS" && call.fields.find("access-control-request-method") == nullptr) {
    const EventTrigger* trigger = triggers_->find(call.path);
    if (trigger != nullptr && trigger->kind == Kind::Binding) {
      return Taken{Part::Offer, trigger, trigger->label, {}, {}};
    }
    if (router_.match(call) == nullptr) {
      return Taken{Part::Nothing, nullptr, own, {}, {}};
    }
  }
  return std::nullopt;
}

void AppChannel::run(Taken taken, Call call, OnOutcome done) {
  switch (taken.part) {
    case Part::Probe:
    case Part::Offer:
      return done(answer(200));
    case Part::Config:
      return done(answer(200, kJson, triggers_->settings().config));
    case Part::Subscriptions:
      return done(answer(200, kJson, triggers_->settings().subscriptions));
    case Part::Nothing:
      // 405, which the routes might say, would count as a yes.
      return done(refusal(Reason::NotFound));
    case Part::Strayed: {
      // 404 would have the sidecar drop it.
      Outcome outcome = stray_event();
      answer_instead(outcome, 200, kJson, status_document(Verdict::Retry));
      return done(std::move(outcome));
    }
    case Part::Refused:
      return done(refusal(Reason::BadRequest, std::move(taken.detail)));
    case Part::Actor:
      if (taken.actor->what == ActorRequest::What::Deactivation && !taken.trigger->wants_deactivations) {
        return done(answer(200));
      }
      break;
    case Part::Event:
      break;
  }
  Arrival& arrival = arrivals_.emplace_back(*this, std::move(taken), std::move(call), std::move(done));
  arrival.self = std::prev(arrivals_.end());
  arrival.start();
}

}  // namespace trilby::triggers
