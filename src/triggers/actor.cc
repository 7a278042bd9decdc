#include "triggers/actor.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/json.h"
#include "base/json_reader.h"
#include "base/text.h"
#include "triggers/delivery.h"

namespace trilby::triggers {
namespace {

using What = ActorRequest::What;

constexpr std::string_view kActors = "/actors/";
constexpr std::string_view kMethod = "method/";
constexpr std::size_t kMaxNameBytes = 256;  // of an id, a method, a reminder or a timer

std::string go_duration(Duration duration) {
  return fmt::format("{}ms", std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

/// Takes what stands before the first '/' out of `rest`, and the '/'.
std::string_view take_segment(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('/'), rest.size());
  const std::string_view segment = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return segment;
}

/// \return false when it is no such path
bool read_name(std::string_view rest, ActorRequest& request) {
  constexpr std::array<std::pair<std::string_view, What>, 2> kRecurring = {
      {{"remind/", What::Reminder}, {"timer/", What::Timer}}};
  if (!rest.starts_with(kMethod)) {
    return false;
  }
  rest.remove_prefix(kMethod.size());
  for (const auto& [prefix, what] : kRecurring) {
    if (rest.starts_with(prefix)) {
      request.what = what;
      rest.remove_prefix(prefix.size());
      break;
    }
  }
  request.name = rest;
  return !rest.empty() && !rest.ends_with('/');
}

/// What a reminder or timer says of itself: {"data":...,"dueTime":"...","period":"...","callback":"..."}.
Result<void> read_recurrence(const JsonValue& document, Event& event) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kTold = {{
      {"dueTime", "DAPR_ACTOR_DUE_TIME"},
      {"period", "DAPR_ACTOR_PERIOD"},
      {"callback", "DAPR_ACTOR_CALLBACK"},
  }};
  for (JsonCursor member(document); member.next();) {
    const std::string key = member.key();
    if (key == "data" && member.value().kind() != JsonValue::Kind::Null) {
      event.data = member.value().raw();
      event.content_type = "application/json";
    }
    const auto* const told =
        std::find_if(kTold.begin(), kTold.end(), [&](const auto& known) { return known.first == key; });
    if (told == kTold.end()) {
      continue;
    }
    if (member.value().kind() != JsonValue::Kind::Text) {
      return fail(Reason::BadRequest, "{} is no text", key);
    }
    if (std::string value = member.value().text(); !value.empty()) {
      TRILBY_CHECK(event.tell(told->second, value));
    }
  }
  return {};
}

std::string_view variable_of(What what) {
  switch (what) {
    case What::Method:
      return "DAPR_ACTOR_METHOD";
    case What::Reminder:
      return "DAPR_ACTOR_REMINDER";
    case What::Timer:
      return "DAPR_ACTOR_TIMER";
    case What::Deactivation:
      break;
  }
  return {};
}

}  // namespace

std::string config_document(std::span<const HostedActor> actors) {
  std::string out;
  JsonWriter json(out);
  json.open_object().key("entities").open_array();
  for (const HostedActor& actor : actors) {
    json.value(actor.type);
  }
  json.close_array();
  if (!actors.empty()) {
    json.key("entitiesConfig").open_array();
    for (const HostedActor& actor : actors) {
      json.open_object().key("entities").open_array().value(actor.type).close_array();
      if (actor.idle_timeout) {
        json.member("actorIdleTimeout", go_duration(*actor.idle_timeout));
      }
      if (actor.drain_timeout) {
        json.member("drainOngoingCallTimeout", go_duration(*actor.drain_timeout));
      }
      if (actor.max_depth) {
        json.key("reentrancy").open_object().member("enabled", true).member("maxStackDepth", *actor.max_depth);
        json.close_object();
      }
      json.close_object();
    }
    json.close_array();
  }
  json.close_object();
  return out;
}

Result<std::optional<ActorRequest>> read_actor_request(std::string_view method, std::string_view path,
                                                       std::string_view target) {
  if ((method != "PUT" && method != "DELETE") || !path.starts_with(kActors)) {
    return std::nullopt;
  }
  std::string_view rest = path.substr(kActors.size());
  ActorRequest request;
  request.turn.type = take_segment(rest);
  request.turn.id = take_segment(rest);
  if (method == "DELETE") {
    request.what = What::Deactivation;
    if (!rest.empty() || path.ends_with('/')) {
      return std::nullopt;
    }
  } else if (!read_name(rest, request)) {
    return std::nullopt;
  }
  if (request.turn.type.empty() || request.turn.id.empty()) {
    return std::nullopt;
  }
  std::string_view sent = target.substr(0, target.find('?'));
  sent.remove_prefix(std::min(kActors.size(), sent.size()));
  if (take_segment(sent) != request.turn.type || take_segment(sent) != request.turn.id) {
    return fail(Reason::BadRequest, "an actor's type and id have no percent codes");
  }
  if (request.turn.id.size() > kMaxNameBytes || request.name.size() > kMaxNameBytes) {
    return fail(Reason::BadRequest, "an actor's id, method, reminder or timer has at most {} bytes", kMaxNameBytes);
  }
  return request;
}

Result<Event> read_actor_event(const ActorRequest& request, std::string body) {
  Event event;
  TRILBY_CHECK(event.tell("DAPR_ACTOR_TYPE", request.turn.type));
  TRILBY_CHECK(event.tell("DAPR_ACTOR_ID", request.turn.id));
  if (const std::string_view variable = variable_of(request.what); !variable.empty()) {
    TRILBY_CHECK(event.tell(variable, request.name));
  }
  if (request.what == What::Method) {
    event.data = std::move(body);
  } else if (request.what != What::Deactivation) {
    TRILBY_ASSIGN(const JsonValue document, parse_json(body));
    if (document.kind() != JsonValue::Kind::Object) {
      return fail(Reason::BadRequest, "it is no JSON object");
    }
    TRILBY_CHECK(read_recurrence(document, event));
  }
  // Last, as for all events.
  TRILBY_CHECK(event.tell("DAPR_TRIGGER", request.what == What::Deactivation ? "actor-deactivation" : "actor"));
  return event;
}

void settle(Outcome& outcome, What what, Verdict verdict) {
  if (what == What::Reminder || what == What::Timer) {
    outcome.fields.remove_if([](const Field& field) {
      return equal_ignoring_case(field.name, "x-daprerrorresponseheader");  // with it 200 would be an error
    });
    return settle(outcome, EventTrigger::Kind::Actor, verdict);
  }
  if (outcome.reason == Reason::Ok && outcome.status / 100 == 2) {
    outcome.status = 200;  // Dapr takes any other for an error
  }
}

bool ends_reminder(const ActorRequest& request, const Outcome& outcome) {
  const std::string* said = outcome.fields.find("x-daprremindercancel");
  return request.what == What::Reminder && said != nullptr && equal_ignoring_case(*said, "true") &&
         outcome.status == 200;
}

}  // namespace trilby::triggers
