// What whoever may call an actor can have a sidecar ask: any target, and any body of a reminder.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "policy/environment.h"
#include "triggers/actor.h"
#include "triggers/path.h"

namespace {

using trilby::triggers::ActorRequest;

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

void check_request(const ActorRequest& request, const std::string& path, std::string_view target) {
  const std::string actor = "/actors/" + request.turn.type + "/" + request.turn.id;
  require(!request.turn.type.empty() && !request.turn.id.empty() && request.turn.id.size() <= 256);
  require(actor.find('%') == std::string::npos && request.turn.id.find('/') == std::string::npos);
  require(target.starts_with(actor) && path.starts_with(actor));
  require(request.name.size() <= 256 && !request.name.starts_with('/') && !request.name.ends_with('/'));
  require((request.what == ActorRequest::What::Deactivation) == request.name.empty());
}

void check_event(const ActorRequest& request, std::string_view body) {
  const auto event = trilby::triggers::read_actor_event(request, std::string(body));
  if (!event) {
    require(event.error().reason == trilby::Reason::BadRequest || event.error().reason == trilby::Reason::HeadTooLarge);
    return;
  }
  trilby::policy::Environment environment;
  for (const trilby::Field& variable : event->variables) {
    require(event->variables.count(variable.name) == 1 && environment.add(variable.name, variable.value).has_value());
  }
  require(*event->variables.find("DAPR_ACTOR_ID") == request.turn.id);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view target = text.substr(0, text.find('\n'));
  const std::string_view body = text.substr(target.size());
  const auto parsed = trilby::triggers::parse_target(target);
  if (!parsed) {
    return 0;
  }
  for (const char* method : {"PUT", "DELETE", "POST"}) {
    const auto request = trilby::triggers::read_actor_request(method, parsed->path, target);
    if (request && *request) {
      check_request(**request, parsed->path, target);
      check_event(**request, body);
    }
  }
  return 0;
}
