#include "triggers/grpc_channel.h"

#include <algorithm>
#include <array>
#include <utility>
#include <variant>
#include <vector>

#include "base/text.h"
#include "dapr/service_invocation.h"
#include "http/characters.h"
#include "triggers/app_callback.h"
#include "triggers/cloud_event.h"
#include "triggers/headed_body.h"
#include "triggers/path.h"
#include "triggers/served_request.h"

namespace trilby::triggers {
namespace {

using Kind = EventTrigger::Kind;
using Method = GrpcChannel::Method;

constexpr std::string_view kPackage = "/dapr.proto.runtime.v1.";
constexpr std::size_t kMaxTarget = 16U << 10U;  // of a request that OnInvoke makes
constexpr Bytes kAroundData{64U << 10U};        // names, attributes, metadata
constexpr std::size_t kMaxLoggedPath = 256;
constexpr std::string_view kDefaultType = "application/octet-stream";

/// What a request of HTTP has in its head and gRPC keeps for itself comes with this before its name, as Dapr sends it.
constexpr std::string_view kHttpPrefix = "dapr-";
constexpr std::array<std::string_view, 19> kHttpsOwn = {"accept",
                                                        "accept-charset",
                                                        "accept-language",
                                                        "accept-ranges",
                                                        "cache-control",
                                                        "cookie",
                                                        "date",
                                                        "from",
                                                        "host",
                                                        "if-match",
                                                        "if-modified-since",
                                                        "if-none-match",
                                                        "if-schedule-tag-match",
                                                        "if-unmodified-since",
                                                        "max-forwards",
                                                        "origin",
                                                        "pragma",
                                                        "referer",
                                                        "via"};

Outcome answer(std::string message) {
  Outcome outcome;
  outcome.reason = Reason::Ok;
  outcome.status = 200;
  outcome.body = make_body(std::move(message));
  return outcome;
}

/// Puts what gives the message's head, when told how long the data is, before the body of an outcome that is no error;
/// that has a length.
template <typename MakeHead>
void make_message(Outcome& outcome, const MakeHead& make_head) {
  if (outcome.status >= 400) {
    return;
  }
  if (!outcome.body) {
    outcome.body = make_body({});
  }
  outcome.body = std::make_unique<HeadedBody>(make_head(*outcome.body->length()), std::move(outcome.body));
}

/// An answer that has nothing to say but that it went well.
void make_empty(Outcome& outcome) {
  if (outcome.status < 400) {
    outcome.body = make_body({});
  }
}

/// For a name that no trigger has: an error, and no answer that would count as one, so that the event is brought again
/// (a job is not: its scheduler takes NOT_FOUND for a success).
Outcome unknown(std::string_view what) {
  return refusal(Reason::NotFound, fmt::format("the app takes no events of this {}", what));
}

/// The fields that the one who was first asked over HTTP had; what is gRPC's own goes.
Fields http_fields(const Fields& metadata, std::string_view content_type) {
  Fields fields;
  for (const Field& field : metadata) {
    std::string name = ascii_lower(field.name);
    if (name.starts_with(kHttpPrefix) &&
        std::find(kHttpsOwn.begin(), kHttpsOwn.end(), std::string_view(name).substr(kHttpPrefix.size())) !=
            kHttpsOwn.end()) {
      name.erase(0, kHttpPrefix.size());
    } else if (name.starts_with("grpc-") || name.ends_with("-bin") || name == "content-type" || name == "user-agent" ||
               name == "host") {
      continue;
    }
    fields.add(std::move(name), field.value);
  }
  if (!content_type.empty()) {
    fields.set("content-type", std::string(content_type));
  }
  return fields;
}

/// The request that an InvokeRequest stands for, without its fields.
Result<Target> target_of(const InvokeMessage& message) {
  std::string target = message.method.starts_with('/') ? "" : "/";
  target += message.method.substr(0, kMaxTarget);
  if (!message.query.empty()) {
    target += target.find('?') == std::string::npos ? '?' : '&';
    target += message.query.substr(0, kMaxTarget);
  }
  if (target.size() > kMaxTarget) {
    return fail(Reason::HeadTooLarge, "the method and its query are too long");
  }
  if (!http::consists_of(message.query, http::kTarget)) {
    return fail(Reason::BadRequest, "the query has characters that no request target has");
  }
  return parse_target(target);
}

/// How large a message of `method` may be: as what it is for may be, with what is around that.
Bytes limit_of(Method method, const AppTriggers& triggers, const RouteTable& routes, Bytes most) {
  Bytes data{0};
  const auto raise = [&](Bytes other) { data = std::max(data, other); };
  const auto raise_to = [&](Kind kind) {
    for (const EventTrigger& trigger : triggers.settings().triggers) {
      if (trigger.kind == kind) {
        raise(method == Method::OnBulkTopicEvent ? trigger.bulk_limit : trigger.event_limit);
      }
    }
  };
  switch (method) {
    case Method::OnTopicEvent:
    case Method::OnBulkTopicEvent:
      raise_to(Kind::Topic);
      break;
    case Method::OnBindingEvent:
      raise_to(Kind::Binding);
      break;
    case Method::OnJobEvent:
      raise_to(Kind::Job);
      break;
    case Method::OnInvoke:
      raise_to(Kind::Configuration);
      raise(kMaxUnreadBody);
      for (const Route& route : routes.routes()) {
        const auto* const function = std::get_if<FunctionTarget>(&route.target);
        // What an invoked app reads is for its own routes to bound.
        raise(function != nullptr                                  ? function->request_body
              : std::holds_alternative<InvokeTarget>(route.target) ? most
                                                                   : data);
      }
      break;
    case Method::ListTopicSubscriptions:
    case Method::ListInputBindings:
    case Method::HealthCheck:
      break;
  }
  return std::min(Bytes{data.count + kAroundData.count}, most);
}

bool is_content_type(std::string_view text) {
  return text.size() <= 1024 && std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7E; });
}

/// Lets the log and the function see the trigger as they would over HTTP.
void enter(const EventTrigger& trigger, Call& call, GrpcChannel::About& about) {
  about.label = trigger.label;
  about.path = call.path = trigger.path;
  call.fields.clear();  // metadata of gRPC: nothing that an event has
}

}  // namespace

GrpcChannel::GrpcChannel(std::shared_ptr<const AppTriggers> triggers, const RouteTable& routes, Router& router,
                         observe::IdSource& ids, Bytes most, BodyBudget* answers)
    : triggers_(std::move(triggers)), router_(router), most_(most), answers_(answers), deliveries_(router, ids) {
  for (std::size_t method = 0; method < limits_.size(); ++method) {
    limits_.at(method) = limit_of(static_cast<Method>(method), *triggers_, routes, most_);
  }
}

GrpcChannel::~GrpcChannel() = default;

std::optional<Method> GrpcChannel::find(std::string_view path) {
  constexpr std::pair<std::string_view, Method> kMethods[] = {
      {"AppCallback/OnInvoke", Method::OnInvoke},
      {"AppCallback/OnTopicEvent", Method::OnTopicEvent},
      {"AppCallback/OnBulkTopicEvent", Method::OnBulkTopicEvent},
      {"AppCallback/OnBindingEvent", Method::OnBindingEvent},
      {"AppCallback/OnJobEvent", Method::OnJobEvent},
      {"AppCallback/ListTopicSubscriptions", Method::ListTopicSubscriptions},
      {"AppCallback/ListInputBindings", Method::ListInputBindings},
      {"AppCallbackHealthCheck/HealthCheck", Method::HealthCheck},
      {"AppCallbackAlpha/OnBulkTopicEventAlpha1", Method::OnBulkTopicEvent},
      {"AppCallbackAlpha/OnJobEventAlpha1", Method::OnJobEvent},
  };
  if (!path.starts_with(kPackage)) {
    return std::nullopt;
  }
  const auto* const at = std::find_if(std::begin(kMethods), std::end(kMethods),
                                      [&](const auto& method) { return method.first == path.substr(kPackage.size()); });
  return at == std::end(kMethods) ? std::nullopt : std::optional(at->second);
}

bool GrpcChannel::has_token(Method method) {
  return method != Method::HealthCheck && method != Method::ListTopicSubscriptions &&
         method != Method::ListInputBindings;
}

void GrpcChannel::run(Method method, Message message, Call call, About& about, OnOutcome done) {
  about.label = method == Method::OnInvoke ? about.label : triggers_->settings().own_label;
  about.method = "POST";
  call.method = about.method;
  if (method != Method::OnInvoke && call.fields.find(dapr::kInvokedBy) != nullptr) {
    // A sidecar passes any call on that another app makes, to whatever service; this is how it marks them. But one that
    // publishes can put the mark among its event's metadata, and an error would have that brought again for ever.
    Outcome outcome = refusal(Reason::NotFound, "other apps may only invoke");
    if (method == Method::OnTopicEvent) {
      answer_instead(outcome, 200, {}, topic_status_message(Verdict::Drop));
    }
    return done(std::move(outcome));
  }
  switch (method) {
    case Method::OnInvoke:
      return invoke(message, std::move(call), about, std::move(done));
    case Method::OnTopicEvent:
      return topic(message.bytes, std::move(call), about, std::move(done));
    case Method::OnBulkTopicEvent:
      return bulk(std::move(message), std::move(call), about, std::move(done));
    case Method::OnBindingEvent:
      return binding(message.bytes, std::move(call), about, std::move(done));
    case Method::OnJobEvent:
      return job(message.bytes, std::move(call), about, std::move(done));
    case Method::ListTopicSubscriptions:
      about.method = "GET";
      about.path = "/dapr/subscribe";
      return done(answer(triggers_->settings().subscriptions_message));
    case Method::ListInputBindings:
      about.method = "OPTIONS";
      return done(answer(bindings()));
    case Method::HealthCheck:
      about.method = "GET";
      about.path = triggers_->settings().health_path;
      return done(answer({}));
  }
}

const EventTrigger* GrpcChannel::find_trigger(Kind kind, std::string_view name) const {
  const auto& all = triggers_->settings().triggers;
  const auto at = std::find_if(all.begin(), all.end(), [&](const EventTrigger& trigger) {
    return trigger.kind == kind && (kind == Kind::Job ? trigger.subject : trigger.component) == name;
  });
  return at == all.end() ? nullptr : &*at;
}

std::string GrpcChannel::bindings() const {
  std::vector<std::string_view> names;
  for (const EventTrigger& trigger : triggers_->settings().triggers) {
    if (trigger.kind == Kind::Binding) {
      names.emplace_back(trigger.component);
    }
  }
  return bindings_message(names);
}

void GrpcChannel::topic(std::string_view message, Call call, About& about, OnOutcome done) {
  auto read = read_topic_message(message);
  if (!read) {
    return done(refuse_event(read.error()));
  }
  const EventTrigger* const trigger = triggers_->find(read->path);
  if (trigger == nullptr || trigger->kind != Kind::Topic) {
    about.path = printable_line(read->path, kMaxLoggedPath);
    Outcome outcome = stray_event();
    outcome.body = make_body(topic_status_message(Verdict::Retry));
    return done(std::move(outcome));
  }
  enter(*trigger, call, about);
  deliveries_.bring(*trigger, std::move(read->event), std::move(call),
                    [done = std::move(done)](Outcome outcome, Verdict verdict) {
                      settle(outcome, Kind::Topic, verdict);
                      outcome.body = make_body(topic_status_message(verdict));
                      done(std::move(outcome));
                    });
}

void GrpcChannel::bulk(Message message, Call call, About& about, OnOutcome done) {
  struct Arrived {
    Message message;  // which the views lie in
    BulkMessage read;
  };
  const auto arrived = std::make_shared<Arrived>();
  arrived->message = std::move(message);
  auto read = read_bulk_message(arrived->message.bytes);
  if (!read) {
    return done(refuse_event(read.error()));
  }
  arrived->read = std::move(*read);
  const EventTrigger* const trigger = triggers_->find(arrived->read.path);
  const auto& entries = arrived->read.entries;
  if (trigger == nullptr || trigger->kind != Kind::Topic) {
    about.path = printable_line(arrived->read.path, kMaxLoggedPath);
    Outcome outcome = stray_event();
    outcome.body = make_body(bulk_statuses_message(entries, std::vector(entries.size(), Verdict::Retry)));
    return done(std::move(outcome));
  }
  enter(*trigger, call, about);
  deliveries_.bring_many(
      *trigger, entries.size(), [arrived](std::size_t index) { return read_bulk_event(arrived->read.entries[index]); },
      std::move(call),
      [arrived, done = std::move(done)](Outcome outcome, const std::vector<Verdict>& verdicts) {
        answer_instead(outcome, 200, {}, bulk_statuses_message(arrived->read.entries, verdicts));
        done(std::move(outcome));
      });
}

void GrpcChannel::binding(std::string_view message, Call call, About& about, OnOutcome done) {
  auto read = read_binding_message(message);
  if (!read) {
    return done(refuse_event(read.error()));
  }
  const EventTrigger* const trigger = find_trigger(Kind::Binding, read->name);
  if (trigger == nullptr) {
    return done(unknown("binding"));
  }
  enter(*trigger, call, about);
  deliveries_.bring(*trigger, std::move(read->event), std::move(call),
                    [done = std::move(done)](Outcome outcome, Verdict verdict) {
                      settle(outcome, Kind::Binding, verdict);
                      make_message(outcome, binding_answer_head);
                      done(std::move(outcome));
                    });
}

void GrpcChannel::job(std::string_view message, Call call, About& about, OnOutcome done) {
  auto read = read_job_message(message);
  if (!read) {
    return done(refuse_event(read.error()));
  }
  const EventTrigger* const trigger = find_trigger(Kind::Job, read->name);
  if (trigger == nullptr) {
    about.path = "/job/" + printable_line(read->name, kMaxLoggedPath);
    return done(unknown("job"));
  }
  enter(*trigger, call, about);
  deliveries_.bring(*trigger, std::move(read->event), std::move(call),
                    [done = std::move(done)](Outcome outcome, Verdict verdict) {
                      settle(outcome, Kind::Job, verdict);
                      make_empty(outcome);
                      done(std::move(outcome));
                    });
}

void GrpcChannel::configuration(const EventTrigger& trigger, std::string_view document, Call call, OnOutcome done) {
  auto event = read_configuration_event(trigger, call.path, document);
  deliveries_.bring(trigger, std::move(event), std::move(call),
                    [done = std::move(done)](Outcome outcome, Verdict verdict) {
                      settle(outcome, Kind::Configuration, verdict);
                      make_empty(outcome);
                      done(std::move(outcome));
                    });
}

void GrpcChannel::invoke(const Message& message, Call call, About& about, OnOutcome done) {
  const auto read = read_invoke_message(message.bytes);
  if (!read) {
    return done(refuse_event(read.error()));
  }
  auto target = target_of(*read);
  if (!target) {
    return done(refuse_event(target.error()));
  }
  if (!is_content_type(read->content_type)) {
    return done(refusal(Reason::BadRequest, "this is no content type"));
  }
  call.method = about.method = read->verb;
  call.path = about.path = std::move(target->path);
  call.query = std::move(target->query);
  call.caller = "grpc";
  const bool is_invoked = call.fields.find(dapr::kInvokedBy) != nullptr;
  call.fields = http_fields(call.fields, read->content_type);
  // Dapr brings changes of configuration by invocation, as the only events.
  const EventTrigger* const trigger = is_invoked || read->verb != "POST" ? nullptr : triggers_->find(call.path);
  if (trigger != nullptr && trigger->kind == Kind::Configuration) {
    about.label = trigger->label;
    call.fields.clear();
    return configuration(*trigger, read->data, std::move(call), std::move(done));
  }
  call.fields.remove_if(is_kept_from_guests);
  const Route* const route = router_.match(call);
  // A function counts what it reads; what is passed on is counted until it has gone.
  const bool is_passed_on = route != nullptr && std::holds_alternative<InvokeTarget>(route->target);
  call.body = make_body(std::string(read->data), is_passed_on ? std::move(message.body->share) : BodyBudget::Share());
  about.label = route == nullptr ? about.label : route->label;
  router_.run(route, std::move(call), [this, done = std::move(done)](Outcome outcome) mutable {
    answer_invocation(std::move(outcome), std::move(done));
  });
}

/// A message begins with its length, so an answer that streams is read to its end first.
void GrpcChannel::answer_invocation(Outcome outcome, OnOutcome done) const {
  const auto finish = [](Outcome& answered) {
    const std::string* const type = answered.fields.find("content-type");
    const std::string content_type = type == nullptr ? std::string(kDefaultType) : *type;
    make_message(answered, [&](std::uint64_t size) { return invoke_answer_head(content_type, size); });
  };
  if (outcome.status >= 400 || !outcome.body || outcome.body->length()) {
    finish(outcome);
    return done(std::move(outcome));
  }
  struct Reading {
    Outcome outcome;
    OnOutcome done;
    std::shared_ptr<void> handle;
  };
  const auto reading = std::make_shared<Reading>();
  auto body = std::move(outcome.body);
  reading->outcome = std::move(outcome);
  reading->done = std::move(done);
  // What reads keeps `reading`, and lets go of it when it is done.
  reading->handle =
      read_all(std::move(body), most_, BodyBudget::Share(answers_), [reading, finish](Result<WholeBody> whole) {
        Outcome answered;
        if (whole) {
          answered = std::move(reading->outcome);
          answered.body = make_body(std::move(whole->bytes), std::move(whole->share));
        } else {
          answered = refusal(std::move(whole).error());
        }
        finish(answered);
        reading->done(std::move(answered));
      });
}

}  // namespace trilby::triggers
