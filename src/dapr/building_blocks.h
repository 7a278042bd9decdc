/// \file  What Trilby asks of Dapr beside calling other apps (service_invocation.h): publishing, saving, sending.
/// https://docs.dapr.io/concepts/building-blocks-concept/
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "call/body.h"
#include "call/call.h"
#include "call/shared_body.h"

namespace trilby::dapr {

/// Data with what they are.
struct Payload {
  SharedBytes bytes;
  std::string content_type;
};

using Metadata = std::vector<std::pair<std::string, std::string>>;

struct Publication {
  std::string pubsub;  ///< the component; without '/'
  std::string topic;
  bool raw = false;  ///< the bytes as they are, not in a CloudEvent
  /// Of the CloudEvent, "type": what Dapr would say otherwise.
  Metadata attributes;
  Metadata metadata;  ///< for the component
  Payload payload;
};

/// Where data must be JSON, as a state's value and a binding's data over Dapr's HTTP API: JSON stays what it is, text
/// becomes a JSON text, all else a JSON text of base64.
struct StateEntry {
  std::string store;
  std::string key;
  Metadata metadata;
  Payload payload;
};

struct StateKey {
  std::string store;
  std::string key;
};

/// One who locks something, of whatever a lock store keeps apart.
struct LockRequest {
  std::string store;
  std::string resource;
  std::string owner;
};

struct BindingRequest {
  std::string binding;
  std::string operation;
  Metadata metadata;
  Payload payload;
};

/// One actor, of a type that some app hosts.
struct ActorAddress {
  std::string type;
  std::string id;
};

/// A call of an actor's method.
struct ActorInvocation {
  ActorAddress actor;
  std::string method;
  std::string reentrancy;  ///< ActorTurn::reentrancy of whoever calls; empty: none
  unsigned hops = 0;       ///< Call::hops of whoever calls
  Payload payload;
};

/// What calls an actor again: a reminder, which outlives its host, or a timer, which does not.
struct ActorRecurrence {
  enum class Kind : std::uint8_t { Reminder, Timer };
  Kind kind = Kind::Reminder;
  ActorAddress actor;
  std::string name;
};

/// What became of what others may have changed meanwhile.
enum class Change : std::uint8_t {
  Made,
  Missing,   ///< there is no such thing to change
  Conflict,  ///< it is somebody else's, or is another by now
};

/// For whom something is asked.
struct Terms {
  Clock::time_point deadline = Clock::time_point::max();  ///< whoever asks gives up then
  TraceContext trace;                                     ///< of whoever asks; the request has a span below it
};

/// What an answer may take. It is read whole.
struct Room {
  Bytes most;
  BodyBudget* budget = nullptr;  ///< may be null
};

/// One app's way to Dapr. Threading: loop-bound.
///
/// `done` runs once, later than the call that asks returned, with nothing when Dapr has taken over what it was given,
/// or with what was asked for, which is nothing when there is none.
/// Errors: UpstreamFailed for all that Dapr refuses, or does not do in time; LimitWall when the deadline came;
/// LimitOutput for more than the sidecar takes; BodyTooLarge for an answer over its room; Overloaded when too much is
/// asked at once, or the budget has no room; Draining.
/// \return a handle; destroying it gives the request up, which may happen all the same, and `done` never runs
class BuildingBlocks {
 public:
  using OnDone = std::function<void(Result<void>)>;
  using OnAnswer = std::function<void(Result<std::optional<WholeBody>>)>;
  using OnChange = std::function<void(Result<Change>)>;
  using OnValue = std::function<void(Result<std::string>)>;  ///< as OnDone, with what Dapr says

  virtual ~BuildingBlocks() = default;
  [[nodiscard]] virtual std::shared_ptr<void> publish(const Publication& publication, Terms terms, OnDone done) = 0;
  [[nodiscard]] virtual std::shared_ptr<void> save_state(const StateEntry& entry, Terms terms, OnDone done) = 0;
  /// The value as it is saved, a JSON text with its quotes; empty when there is none. At most 64 KiB.
  [[nodiscard]] virtual std::shared_ptr<void> get_state(const StateKey& key, Terms terms, OnValue done) = 0;
  [[nodiscard]] virtual std::shared_ptr<void> invoke_binding(const BindingRequest& request, Terms terms,
                                                             OnDone done) = 0;

  /// get_state() of values of any size.
  [[nodiscard]] virtual std::shared_ptr<void> read_state(const StateKey& key, Terms terms, Room room,
                                                         OnAnswer done) = 0;
  [[nodiscard]] virtual std::shared_ptr<void> delete_state(const StateKey& key, Terms terms, OnDone done) = 0;
  /// invoke_binding() with what the component replies.
  [[nodiscard]] virtual std::shared_ptr<void> ask_binding(const BindingRequest& request, Terms terms, Room room,
                                                          OnAnswer done) = 0;
  /// {"key":"value"}, with as many members as the store keeps under that key.
  [[nodiscard]] virtual std::shared_ptr<void> read_secret(std::string_view store, std::string_view key, Terms terms,
                                                          Room room, OnAnswer done) = 0;

  [[nodiscard]] virtual std::shared_ptr<void> read_actor_state(const ActorAddress& actor, std::string_view key,
                                                               Terms terms, Room room, OnAnswer done) = 0;
  /// All of it or nothing. \param operations  as Dapr has them, a JSON text
  [[nodiscard]] virtual std::shared_ptr<void> change_actor_state(const ActorAddress& actor, SharedBytes operations,
                                                                 Terms terms, OnDone done) = 0;
  /// UpstreamFailed also when the call already came through kMaxHops apps.
  [[nodiscard]] virtual std::shared_ptr<void> invoke_actor(const ActorInvocation& call, Terms terms, Room room,
                                                           OnAnswer done) = 0;
  /// \param what  of it, as Dapr has it, a JSON text; null: there is to be none of that name any more
  [[nodiscard]] virtual std::shared_ptr<void> set_recurrence(const ActorRecurrence& recurrence, SharedBytes what,
                                                             Terms terms, OnDone done) = 0;

  /// All of it or nothing, as far as the store keeps that. Conflict: an etag is not that of the state any more.
  /// \param operations  as Dapr has them, a JSON text
  [[nodiscard]] virtual std::shared_ptr<void> change_states(std::string_view store, SharedBytes operations, Terms terms,
                                                            OnChange done) = 0;
  /// [{"key":"k","data":1,"etag":"7"}], without data and etag where there is no such state; all of them or an error.
  /// \param keys  a JSON text, ["k"]
  [[nodiscard]] virtual std::shared_ptr<void> read_states(std::string_view store, SharedBytes keys, Terms terms,
                                                          Room room, OnAnswer done) = 0;
  /// The value alone, and of one key alone.
  [[nodiscard]] virtual std::shared_ptr<void> read_configuration(std::string_view store, std::string_view key,
                                                                 Terms terms, Room room, OnAnswer done) = 0;
  /// Conflict: somebody has locked it, the same owner too. \param time  whole seconds, at least one; then it is free
  [[nodiscard]] virtual std::shared_ptr<void> lock(const LockRequest& request, std::chrono::seconds time, Terms terms,
                                                   OnChange done) = 0;
  /// Missing: nobody has locked it. Conflict: another owner has.
  [[nodiscard]] virtual std::shared_ptr<void> unlock(const LockRequest& request, Terms terms, OnChange done) = 0;
  /// A job of the app. Conflict: there is one of that name, and it is not to be overwritten.
  /// \param what  of it, as Dapr has it, a JSON text; null: there is to be none of that name any more
  [[nodiscard]] virtual std::shared_ptr<void> set_job(std::string_view name, SharedBytes what, Terms terms,
                                                      OnChange done) = 0;
};

}  // namespace trilby::dapr
