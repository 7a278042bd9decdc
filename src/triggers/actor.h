/// \file  Actors, as Dapr calls them over HTTP: which types an app hosts, and what is asked of one of them.
/// https://docs.dapr.io/reference/api/actors_api/
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/units.h"
#include "call/call.h"
#include "triggers/event.h"

namespace trilby::triggers {

/// A type of actors, as its app tells Dapr of it. What is not there is left to Dapr.
struct HostedActor {
  std::string type;
  std::optional<Duration> idle_timeout;
  std::optional<Duration> drain_timeout;
  std::optional<std::uint32_t> max_depth;  ///< of calls that come back to an actor; nothing: none may
};
/// The answer to GET /dapr/config.
[[nodiscard]] std::string config_document(std::span<const HostedActor> actors);

/// What Dapr asks of an actor.
struct ActorRequest {
  enum class What : std::uint8_t { Method, Reminder, Timer, Deactivation };

  What what = What::Method;
  std::string name;  ///< of the method, reminder or timer; empty for Deactivation
  ActorTurn turn;
};

/// Reads PUT /actors/TYPE/ID/method/NAME, .../method/remind/NAME, .../method/timer/NAME and DELETE /actors/TYPE/ID.
/// Dapr writes type and id into the path as they are, so what it locks as "a%20b" comes as the same text as "a b". A
/// percent code in them is therefore refused: whatever actor a function is told of is the one that has its turn.
/// \param path  decoded (parse_target)
/// \param target  what it was decoded from
/// \return nothing for anything else; Reason::BadRequest for an id or a name that may not be
[[nodiscard]] Result<std::optional<ActorRequest>> read_actor_request(std::string_view method, std::string_view path,
                                                                     std::string_view target);

/// What the function is told: of a method what its caller sent, of a reminder or timer the data that were registered
/// with it, as JSON. \return Reason::BadRequest for what is not from Dapr, or what Event::tell() says
[[nodiscard]] Result<Event> read_actor_event(const ActorRequest& request, std::string body);

/// Gives the outcome the status as Dapr reads it: 200 and nothing else is well. A reminder or timer is an event, with
/// a verdict.
void settle(Outcome& outcome, ActorRequest::What what, Verdict verdict);
/// Whether a function said, in the answer to a reminder, that it is to be the last.
[[nodiscard]] bool ends_reminder(const ActorRequest& request, const Outcome& outcome);

}  // namespace trilby::triggers
