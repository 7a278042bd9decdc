#include "host/dapr.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <tuple>
#include <utility>

#include "base/json_reader.h"
#include "host/dapr_arguments.h"
#include "host/host.h"
#include "host/import_table.h"
#include "wasm/host_function.h"

namespace trilby::host {
namespace {

using wasm::Guest;

constexpr std::uint32_t code(DaprErrno error) {
  return static_cast<std::uint32_t>(error);
}

DaprErrno errno_of(dapr::Change change) {
  switch (change) {
    case dapr::Change::Made:
      return DaprErrno::Success;
    case dapr::Change::Missing:
      return DaprErrno::NotFound;
    case dapr::Change::Conflict:
      return DaprErrno::Conflict;
  }
  return DaprErrno::Failed;
}

DaprErrno errno_of(Reason reason) {
  switch (reason) {
    case Reason::BodyTooLarge:
    case Reason::LimitOutput:
      return DaprErrno::TooLarge;
    case Reason::Overloaded:
      return DaprErrno::Busy;
    default:
      return DaprErrno::Failed;
  }
}

}  // namespace

/// The guest waits on its fiber for one of these. Callbacks hold it, and it holds what they are for; whoever comes when
/// the wait is over finds its ticket void.
class DaprSession::Request : public std::enable_shared_from_this<Request> {
 public:
  Request(DaprSession& session, Guest::Ticket ticket, BodyBudget::Share share)
      : session_(&session), ticket_(std::move(ticket)), share_(std::move(share)) {}

  [[nodiscard]] dapr::Terms terms() const { return {Clock::time_point::max(), session_->caller().trace}; }
  [[nodiscard]] dapr::Room room() const { return {kMaxDaprBytes, session_->caller().bodies}; }

  /// For a request that is given up with its handle.
  void hold(std::shared_ptr<void> handle) {
    if (!is_over_) {
      handle_ = std::move(handle);
    }
  }
  [[nodiscard]] dapr::BuildingBlocks::OnDone on_done() {
    return [self = shared_from_this()](const Result<void>& result) {
      self->finish(result ? DaprErrno::Success : errno_of(result.error().reason), {});
    };
  }
  [[nodiscard]] dapr::BuildingBlocks::OnChange on_change() {
    return [self = shared_from_this()](const Result<dapr::Change>& result) {
      self->finish(result ? errno_of(*result) : errno_of(result.error().reason), {});
    };
  }
  [[nodiscard]] dapr::BuildingBlocks::OnAnswer on_answer() {
    return [self = shared_from_this()](Result<std::optional<WholeBody>> result) { self->take(std::move(result)); };
  }
  /// The same, where nothing is an answer too.
  [[nodiscard]] dapr::BuildingBlocks::OnAnswer on_reply() {
    return [self = shared_from_this()](Result<std::optional<WholeBody>> result) {
      if (result && !*result) {
        return self->finish(DaprErrno::Success, {});
      }
      self->take(std::move(result));
    };
  }
  /// The same, where the answer is a JSON object with `key` in it.
  [[nodiscard]] dapr::BuildingBlocks::OnAnswer on_secret(std::string key) {
    return [self = shared_from_this(), key = std::move(key)](Result<std::optional<WholeBody>> result) {
      if (result && *result) {
        self->choose(key, (*result)->bytes);
      }
      self->take(std::move(result));
    };
  }

  void invoke(std::string_view app, Call call, std::uint32_t status_at) {
    const Caller& caller = session_->caller();
    dapr::Terms given = terms();
    call.id = caller.call_id;
    call.peer = caller.peer;
    call.deadline = given.deadline;
    call.trace = std::move(given.trace);
    call.caller = caller.ways->app_id;
    // Dapr does not mark what an app asks of itself, and that must not pass for what Dapr brings.
    call.fields.set(dapr::kInvokedBy, call.caller);
    call.fields.set(dapr::kInvokedOf, std::string(app));
    call.hops = caller.hops;
    call.cancellation = std::make_shared<Cancellation>();
    status_at_ = status_at;
    invoked_ = call.cancellation;
    caller.ways->invocation.invoke(
        app, std::move(call), [self = shared_from_this()](Outcome answer) { self->take_outcome(std::move(answer)); });
  }

  void give_up() {
    is_over_ = true;
    session_ = nullptr;
    handle_.reset();
    if (const auto invoked = std::exchange(invoked_, nullptr)) {
      invoked->cancel(Reason::Cancelled);
    }
  }

 private:
  void take(Result<std::optional<WholeBody>> result) {
    if (!result) {
      return finish(errno_of(result.error().reason), {});
    }
    const bool is_there = result->has_value();
    finish(is_there ? DaprErrno::Success : DaprErrno::NotFound, is_there ? std::move(**result) : WholeBody{});
  }

  static void choose(std::string_view key, std::string& bytes) {
    const auto document = parse_json(bytes);
    if (!document || document->kind() != JsonValue::Kind::Object) {
      return;
    }
    std::optional<std::string> value;
    std::size_t members = 0;
    for (JsonCursor member(*document); member.next(); ++members) {
      if (member.key() == key && member.value().kind() == JsonValue::Kind::Text) {
        value = member.value().text();
      }
    }
    if (value && members == 1) {
      bytes = std::move(*value);
    }
  }

  void take_outcome(Outcome answer) {
    invoked_.reset();
    if (is_over_) {
      return;
    }
    const bool is_nobodys = answer.reason == Reason::UpstreamFailed || answer.reason == Reason::Draining ||
                            answer.reason == Reason::Cancelled || answer.reason == Reason::Overloaded;
    if (!answer.body) {
      status_ = static_cast<std::uint32_t>(answer.status);
      return finish(is_nobodys ? errno_of(answer.reason) : DaprErrno::Success, {});
    }
    status_ = static_cast<std::uint32_t>(answer.status);
    const auto self = shared_from_this();
    auto reading = read_all(std::move(answer.body), kMaxDaprBytes, BodyBudget::Share(session_->caller().bodies),
                            [this](Result<WholeBody> body) {
                              finish(body ? DaprErrno::Success : errno_of(body.error().reason),
                                     body ? std::move(*body) : WholeBody{});
                            });
    hold(std::move(reading));
  }

  void finish(DaprErrno error, WholeBody answer) {
    Guest* const guest = ticket_.redeem();
    if (is_over_ || guest == nullptr) {
      return;
    }
    is_over_ = true;
    const auto self = shared_from_this();
    handle_.reset();
    share_.release();
    if (error == DaprErrno::Success && status_at_) {
      std::ignore = guest->memory().store(*status_at_, status_);  // checked before
    }
    session_->end(std::move(answer));
    guest->complete(code(error));  // which may run the guest to its end, and destroy the session
  }

  DaprSession* session_;
  const Guest::Ticket ticket_;
  BodyBudget::Share share_;  // what it was given takes
  bool is_over_ = false;
  std::shared_ptr<void> handle_;
  std::shared_ptr<Cancellation> invoked_;
  std::optional<std::uint32_t> status_at_;
  std::uint32_t status_ = 0;
};

DaprSession::~DaprSession() {
  if (request_) {
    request_->give_up();
  }
}

void DaprSession::begin(std::shared_ptr<Request> request) {
  answer_ = {};
  request_ = std::move(request);
}

void DaprSession::end(WholeBody answer) {
  answer_ = std::move(answer);
  request_.reset();
}

namespace {

/// The guest has its answer, and that of an earlier request is gone.
void refuse(Guest& guest, DaprErrno error) {
  if (const auto& session = guest.host<Host>().dapr) {
    session->forget();
  }
  guest.complete(code(error));
}

/// What every function of the module does before it asks: the grant, somebody to ask, the rate.
/// \return false when the guest has its answer
bool may_ask(Guest& guest, Grant kind, bool is_granted, const DaprAddress& address, bool needs_sidecar) {
  Host& host = guest.host<Host>();
  if (!is_granted) {
    host.deny(kind, address.text());
    refuse(guest, DaprErrno::Denied);
    return false;
  }
  const dapr::AppWays* const ways = host.dapr ? host.dapr->caller().ways : nullptr;
  if (ways == nullptr || (needs_sidecar && ways->blocks == nullptr)) {
    refuse(guest, DaprErrno::NoSidecar);
    return false;
  }
  const auto now = Clock::now();
  if (now >= host.dapr->caller().until) {
    guest.unwind(Reason::LimitWall);
    return false;
  }
  if (!host.take_host_call(now)) {
    guest.unwind(Reason::LimitCalls);
    return false;
  }
  return true;
}

/// Data that a guest gives, copied, and counted until they are sent.
struct Given {
  dapr::Payload payload;
  BodyBudget::Share share;
};

/// Data where the guest has them, and the room for a copy of them.
struct Offered {
  std::string_view bytes;
  BodyBudget::Share share;
};

/// What costs time or room comes behind may_ask(). \return nothing when the guest has its answer
std::optional<Offered> look_at(Guest& guest, Span data) {
  const auto bytes = guest.memory().text(data.at, data.length);
  if (!bytes || bytes->size() > kMaxDaprBytes.count) {
    refuse(guest, bytes ? DaprErrno::TooLarge : DaprErrno::Invalid);
    return std::nullopt;
  }
  if (!guest.charge(bytes->size() / 1024)) {
    return std::nullopt;
  }
  BodyBudget::Share share(guest.host<Host>().dapr->caller().bodies);
  if (!share.resize(bytes->size())) {
    refuse(guest, DaprErrno::Busy);
    return std::nullopt;
  }
  return Offered{*bytes, std::move(share)};
}

Given given_of(std::string bytes, std::string_view type, BodyBudget::Share share) {
  return {{std::make_shared<const std::string>(std::move(bytes)), std::string(type)}, std::move(share)};
}

/// \return nothing when the guest has its answer
std::optional<Given> take_data(Guest& guest, Span data, std::string_view type) {
  auto offered = look_at(guest, data);
  return offered ? std::optional(given_of(std::string(offered->bytes), type, std::move(offered->share))) : std::nullopt;
}

/// The same for what has to be JSON.
std::optional<Given> take_json(Guest& guest, Span data) {
  auto given = take_data(guest, data, "application/json");
  if (given && !parse_json(*given->payload.bytes)) {
    refuse(guest, DaprErrno::Invalid);
    return std::nullopt;
  }
  return given;
}

/// Data for a binding, which need none.
std::optional<Given> take_binding_data(Guest& guest, Span data) {
  if (data.length == 0 && guest.memory().slice(data.at, 0)) {
    return Given{{std::make_shared<const std::string>("null"), "application/json"}, {}};
  }
  return take_json(guest, data);
}

/// From now on the guest waits.
std::shared_ptr<DaprSession::Request> begin(Guest& guest, BodyBudget::Share share = {}) {
  DaprSession& session = *guest.host<Host>().dapr;
  guest.wait();
  auto request = std::make_shared<DaprSession::Request>(session, guest.ticket(), std::move(share));
  session.begin(request);
  return request;
}

dapr::BuildingBlocks& blocks_of(const Guest& guest) {
  return *guest.host<Host>().dapr->caller().ways->blocks;
}

dapr::StateKey key_of(const DaprAddress& address) {
  return {std::string(address.name), std::string(address.rest)};
}

// NOLINTNEXTLINE(readability-function-size): its parameters are those of the import
void invoke(Guest& guest, std::uint32_t app, std::uint32_t app_length, std::uint32_t method,
            std::uint32_t method_length, std::uint32_t verb, std::uint32_t verb_length, std::uint32_t type,
            std::uint32_t type_length, std::uint32_t body, std::uint32_t body_length, std::uint32_t status) {
  const auto wanted = decode_method(guest.memory(), {app, app_length}, {method, method_length}, {verb, verb_length});
  const auto content_type = decode_content_type(guest.memory(), {type, type_length});
  if (!wanted || !content_type || !guest.memory().slice(status, sizeof(std::uint32_t))) {
    return refuse(guest, DaprErrno::Invalid);
  }
  const DaprAddress& address = wanted->address;
  const policy::DaprGrants& grants = guest.host<Host>().grants.dapr;
  if (!may_ask(guest, Grant::DaprInvoke, policy::is_granted(grants.invoke, address.text()), address, false)) {
    return;
  }
  auto given = take_data(guest, {body, body_length}, *content_type);
  if (!given) {
    return;
  }
  Call call;
  call.method = wanted->verb;
  call.path = '/';
  call.path += address.rest;
  call.query = wanted->query;
  if (!given->payload.bytes->empty()) {
    call.fields.set("content-type", std::move(given->payload.content_type));
  }
  call.body = make_shared_body(std::move(given->payload.bytes));
  const std::string to(address.name);
  begin(guest, std::move(given->share))->invoke(to, std::move(call), status);
}

void state_get(Guest& guest, std::uint32_t store, std::uint32_t store_length, std::uint32_t key,
               std::uint32_t key_length) {
  const auto address = decode_address(guest.memory(), {store, store_length}, {key, key_length}, DaprRest::Key);
  if (!address) {
    return refuse(guest, DaprErrno::Invalid);
  }
  const policy::DaprGrants& grants = guest.host<Host>().grants.dapr;
  if (may_ask(guest, Grant::DaprState, policy::may_read_state(grants, address->text()), *address, true)) {
    const auto request = begin(guest);
    request->hold(
        blocks_of(guest).read_state(key_of(*address), request->terms(), request->room(), request->on_answer()));
  }
}

void state_save(Guest& guest, std::uint32_t store, std::uint32_t store_length, std::uint32_t key,
                std::uint32_t key_length, std::uint32_t value, std::uint32_t value_length) {
  const auto address = decode_address(guest.memory(), {store, store_length}, {key, key_length}, DaprRest::Key);
  if (!address) {
    return refuse(guest, DaprErrno::Invalid);
  }
  const policy::DaprGrants& grants = guest.host<Host>().grants.dapr;
  if (!may_ask(guest, Grant::DaprState, policy::may_write_state(grants, address->text()), *address, true)) {
    return;
  }
  if (auto given = take_json(guest, {value, value_length})) {
    const auto request = begin(guest, std::move(given->share));
    request->hold(blocks_of(guest).save_state(
        {std::string(address->name), std::string(address->rest), {}, std::move(given->payload)}, request->terms(),
        request->on_done()));
  }
}

void state_delete(Guest& guest, std::uint32_t store, std::uint32_t store_length, std::uint32_t key,
                  std::uint32_t key_length) {
  const auto address = decode_address(guest.memory(), {store, store_length}, {key, key_length}, DaprRest::Key);
  if (!address) {
    return refuse(guest, DaprErrno::Invalid);
  }
  const policy::DaprGrants& grants = guest.host<Host>().grants.dapr;
  if (may_ask(guest, Grant::DaprState, policy::may_write_state(grants, address->text()), *address, true)) {
    const auto request = begin(guest);
    request->hold(blocks_of(guest).delete_state(key_of(*address), request->terms(), request->on_done()));
  }
}

// NOLINTNEXTLINE(readability-function-size): its parameters are those of the import
void publish(Guest& guest, std::uint32_t pubsub, std::uint32_t pubsub_length, std::uint32_t topic,
             std::uint32_t topic_length, std::uint32_t type, std::uint32_t type_length, std::uint32_t data,
             std::uint32_t data_length) {
  const auto address = decode_address(guest.memory(), {pubsub, pubsub_length}, {topic, topic_length}, DaprRest::Path);
  const auto content_type = decode_content_type(guest.memory(), {type, type_length});
  if (!address || !content_type) {
    return refuse(guest, DaprErrno::Invalid);
  }
  const policy::DaprGrants& grants = guest.host<Host>().grants.dapr;
  if (!may_ask(guest, Grant::DaprPublish, policy::is_granted(grants.publish, address->text()), *address, true)) {
    return;
  }
  if (auto given = take_data(guest, {data, data_length}, *content_type)) {
    const auto request = begin(guest, std::move(given->share));
    request->hold(blocks_of(guest).publish(
        {std::string(address->name), std::string(address->rest), false, {}, {}, std::move(given->payload)},
        request->terms(), request->on_done()));
  }
}

void binding(Guest& guest, std::uint32_t name, std::uint32_t name_length, std::uint32_t operation,
             std::uint32_t operation_length, std::uint32_t data, std::uint32_t data_length) {
  const auto address =
      decode_address(guest.memory(), {name, name_length}, {operation, operation_length}, DaprRest::Name);
  if (!address) {
    return refuse(guest, DaprErrno::Invalid);
  }
  const policy::DaprGrants& grants = guest.host<Host>().grants.dapr;
  if (!may_ask(guest, Grant::DaprBinding, policy::is_granted(grants.bindings, address->text()), *address, true)) {
    return;
  }
  if (auto given = take_binding_data(guest, {data, data_length})) {
    const auto request = begin(guest, std::move(given->share));
    request->hold(blocks_of(guest).ask_binding(
        {std::string(address->name), std::string(address->rest), {}, std::move(given->payload)}, request->terms(),
        request->room(), request->on_reply()));
  }
}

void secret(Guest& guest, std::uint32_t store, std::uint32_t store_length, std::uint32_t key,
            std::uint32_t key_length) {
  const auto address = decode_address(guest.memory(), {store, store_length}, {key, key_length}, DaprRest::Secret);
  if (!address) {
    return refuse(guest, DaprErrno::Invalid);
  }
  const policy::DaprGrants& grants = guest.host<Host>().grants.dapr;
  if (may_ask(guest, Grant::DaprSecret, policy::is_granted(grants.secrets, address->text()), *address, true)) {
    const auto request = begin(guest);
    request->hold(blocks_of(guest).read_secret(address->name, address->rest, request->terms(), request->room(),
                                               request->on_secret(std::string(address->rest))));
  }
}

/// As which actor the guest is called, where it is one and may ask.
/// \param wanted  for the log \return null when the guest has its answer
const ActorTurn* own_actor(Guest& guest, const DaprAddress& wanted) {
  const auto& session = guest.host<Host>().dapr;
  const ActorTurn* const actor = session ? session->caller().actor.get() : nullptr;
  return may_ask(guest, Grant::DaprActorState, actor != nullptr, wanted, true) ? actor : nullptr;
}

dapr::ActorAddress address_of(const ActorTurn& actor) {
  return {actor.type, actor.id};
}

/// A JSON text of the guest's, as `check` gives it back.
std::optional<Given> take_checked(Guest& guest, Span data, std::optional<std::string> (*check)(std::string_view)) {
  auto offered = look_at(guest, data);
  if (!offered) {
    return std::nullopt;
  }
  auto checked = check(offered->bytes);
  if (!checked) {
    refuse(guest, DaprErrno::Invalid);
    return std::nullopt;
  }
  return given_of(std::move(*checked), "application/json", std::move(offered->share));
}

void actor_state_get(Guest& guest, std::uint32_t key, std::uint32_t key_length) {
  const auto name = decode_key(guest.memory(), {key, key_length});
  if (!name) {
    return refuse(guest, DaprErrno::Invalid);
  }
  if (const ActorTurn* const actor = own_actor(guest, {"state", *name})) {
    const auto request = begin(guest);
    request->hold(blocks_of(guest).read_actor_state(address_of(*actor), *name, request->terms(), request->room(),
                                                    request->on_answer()));
  }
}

void actor_state_change(Guest& guest, std::uint32_t operations, std::uint32_t operations_length) {
  const ActorTurn* const actor = own_actor(guest, {"state", "change"});
  if (actor == nullptr) {
    return;
  }
  if (auto given = take_checked(guest, {operations, operations_length}, checked_operations)) {
    const auto request = begin(guest, std::move(given->share));
    request->hold(blocks_of(guest).change_actor_state(address_of(*actor), std::move(given->payload.bytes),
                                                      request->terms(), request->on_done()));
  }
}

void set_recurrence(Guest& guest, dapr::ActorRecurrence::Kind kind, Span name, Span what) {
  const auto key = decode_key(guest.memory(), name);
  if (!key) {
    return refuse(guest, DaprErrno::Invalid);
  }
  const bool is_reminder = kind == dapr::ActorRecurrence::Kind::Reminder;
  const ActorTurn* const actor = own_actor(guest, {is_reminder ? "reminder" : "timer", *key});
  if (actor == nullptr) {
    return;
  }
  Given given;
  if (what.length != 0 || !guest.memory().slice(what.at, 0)) {
    auto taken = take_checked(guest, what, checked_recurrence);
    if (!taken) {
      return;
    }
    given = std::move(*taken);
  }
  const dapr::ActorRecurrence recurrence{kind, address_of(*actor), std::string(*key)};
  const auto request = begin(guest, std::move(given.share));
  request->hold(blocks_of(guest).set_recurrence(recurrence, std::move(given.payload.bytes), request->terms(),
                                                request->on_done()));
}

void actor_reminder(Guest& guest, std::uint32_t name, std::uint32_t name_length, std::uint32_t what,
                    std::uint32_t what_length) {
  set_recurrence(guest, dapr::ActorRecurrence::Kind::Reminder, {name, name_length}, {what, what_length});
}

void actor_timer(Guest& guest, std::uint32_t name, std::uint32_t name_length, std::uint32_t what,
                 std::uint32_t what_length) {
  set_recurrence(guest, dapr::ActorRecurrence::Kind::Timer, {name, name_length}, {what, what_length});
}

// NOLINTNEXTLINE(readability-function-size): its parameters are those of the import
void actor_invoke(Guest& guest, std::uint32_t type, std::uint32_t type_length, std::uint32_t id,
                  std::uint32_t id_length, std::uint32_t method, std::uint32_t method_length,
                  std::uint32_t content_type, std::uint32_t content_type_length, std::uint32_t data,
                  std::uint32_t data_length) {
  const auto address = decode_address(guest.memory(), {type, type_length}, {method, method_length}, DaprRest::Name);
  const auto actor = decode_key(guest.memory(), {id, id_length});
  const auto said = decode_content_type(guest.memory(), {content_type, content_type_length});
  if (!address || !actor || !said) {
    return refuse(guest, DaprErrno::Invalid);
  }
  const policy::DaprGrants& grants = guest.host<Host>().grants.dapr;
  if (!may_ask(guest, Grant::DaprActor, policy::is_granted(grants.actors, address->text()), *address, true)) {
    return;
  }
  if (auto given = take_data(guest, {data, data_length}, *said)) {
    const ActorTurn* const caller = guest.host<Host>().dapr->caller().actor.get();
    dapr::ActorInvocation call{{std::string(address->name), std::string(*actor)},
                               std::string(address->rest),
                               caller == nullptr ? std::string() : caller->reentrancy,
                               guest.host<Host>().dapr->caller().hops,
                               std::move(given->payload)};
    const auto request = begin(guest, std::move(given->share));
    request->hold(blocks_of(guest).invoke_actor(call, request->terms(), request->room(), request->on_reply()));
  }
}

/// How a guest asks something of several states of a store at once.
struct ManyStates {
  std::optional<KeyedText> (*check)(std::string_view);
  bool (*may_of_store)(const policy::DaprGrants&, std::string_view);
  bool (*may)(const policy::DaprGrants&, std::string_view);
};

/// The first of the keys that the guest may not ask for so. \return null when it may for each
const std::string* first_denied(const policy::DaprGrants& grants, std::string_view store,
                                const std::vector<std::string>& keys,
                                bool (*may)(const policy::DaprGrants&, std::string_view)) {
  const auto denied = std::find_if_not(
      keys.begin(), keys.end(), [&](const std::string& key) { return may(grants, DaprAddress{store, key}.text()); });
  return denied == keys.end() ? nullptr : &*denied;
}

/// What a guest asks so, as `check` gives it back, where it may of every single state. They are named in the data,
/// which are looked at only where some state of the store is granted and the host call is taken.
/// \return nothing when the guest has its answer
std::optional<Given> take_keyed(Guest& guest, std::string_view store, Span data, const ManyStates& how) {
  Host& host = guest.host<Host>();
  const policy::DaprGrants& grants = host.grants.dapr;
  if (!may_ask(guest, Grant::DaprState, how.may_of_store(grants, store), {store, "KEY"}, true)) {
    return std::nullopt;
  }
  auto offered = look_at(guest, data);
  if (!offered) {
    return std::nullopt;
  }
  auto checked = how.check(offered->bytes);
  if (!checked) {
    refuse(guest, DaprErrno::Invalid);
    return std::nullopt;
  }
  const std::string* denied = first_denied(grants, store, checked->keys, how.may);
  if (denied == nullptr) {
    denied = first_denied(grants, store, checked->compared, policy::may_read_state);
  }
  if (denied != nullptr) {
    host.deny(Grant::DaprState, DaprAddress{store, *denied}.text());
    refuse(guest, DaprErrno::Denied);
    return std::nullopt;
  }
  return given_of(std::move(checked->text), "application/json", std::move(offered->share));
}

void state_transaction(Guest& guest, std::uint32_t store, std::uint32_t store_length, std::uint32_t operations,
                       std::uint32_t operations_length) {
  const auto address = decode_address(guest.memory(), {store, store_length}, {}, DaprRest::None);
  if (!address) {
    return refuse(guest, DaprErrno::Invalid);
  }
  if (auto given = take_keyed(guest, address->name, {operations, operations_length},
                              {checked_transaction, policy::may_write_store, policy::may_write_state})) {
    const auto request = begin(guest, std::move(given->share));
    request->hold(blocks_of(guest).change_states(address->name, std::move(given->payload.bytes), request->terms(),
                                                 request->on_change()));
  }
}

void state_get_bulk(Guest& guest, std::uint32_t store, std::uint32_t store_length, std::uint32_t keys,
                    std::uint32_t keys_length) {
  const auto address = decode_address(guest.memory(), {store, store_length}, {}, DaprRest::None);
  if (!address) {
    return refuse(guest, DaprErrno::Invalid);
  }
  if (auto given = take_keyed(guest, address->name, {keys, keys_length},
                              {checked_keys, policy::may_read_store, policy::may_read_state})) {
    const auto request = begin(guest, std::move(given->share));
    request->hold(blocks_of(guest).read_states(address->name, std::move(given->payload.bytes), request->terms(),
                                               request->room(), request->on_answer()));
  }
}

void configuration_get(Guest& guest, std::uint32_t store, std::uint32_t store_length, std::uint32_t key,
                       std::uint32_t key_length) {
  const auto address = decode_address(guest.memory(), {store, store_length}, {key, key_length}, DaprRest::Key);
  if (!address) {
    return refuse(guest, DaprErrno::Invalid);
  }
  const policy::DaprGrants& grants = guest.host<Host>().grants.dapr;
  if (may_ask(guest, Grant::DaprConfiguration, policy::is_granted(grants.configuration, address->text()), *address,
              true)) {
    const auto request = begin(guest);
    request->hold(blocks_of(guest).read_configuration(address->name, address->rest, request->terms(), request->room(),
                                                      request->on_answer()));
  }
}

/// What is to be locked or unlocked, where the guest may do that. \return nothing when it has its answer
std::optional<dapr::LockRequest> own_lock(Guest& guest, Span store, Span resource, Span owner) {
  const auto address = decode_address(guest.memory(), store, resource, DaprRest::Key);
  const auto whose = decode_key(guest.memory(), owner);
  if (!address || !whose) {
    refuse(guest, DaprErrno::Invalid);
    return std::nullopt;
  }
  const policy::DaprGrants& grants = guest.host<Host>().grants.dapr;
  if (!may_ask(guest, Grant::DaprLock, policy::is_granted(grants.locks, address->text()), *address, true)) {
    return std::nullopt;
  }
  return dapr::LockRequest{std::string(address->name), std::string(address->rest), std::string(*whose)};
}

// NOLINTNEXTLINE(readability-function-size): its parameters are those of the import
void lock(Guest& guest, std::uint32_t store, std::uint32_t store_length, std::uint32_t resource,
          std::uint32_t resource_length, std::uint32_t owner, std::uint32_t owner_length, std::uint32_t seconds) {
  if (seconds == 0 || seconds > kMaxLockSeconds) {
    return refuse(guest, DaprErrno::Invalid);
  }
  if (const auto wanted = own_lock(guest, {store, store_length}, {resource, resource_length}, {owner, owner_length})) {
    const auto request = begin(guest);
    request->hold(
        blocks_of(guest).lock(*wanted, std::chrono::seconds(seconds), request->terms(), request->on_change()));
  }
}

void unlock(Guest& guest, std::uint32_t store, std::uint32_t store_length, std::uint32_t resource,
            std::uint32_t resource_length, std::uint32_t owner, std::uint32_t owner_length) {
  if (const auto held = own_lock(guest, {store, store_length}, {resource, resource_length}, {owner, owner_length})) {
    const auto request = begin(guest);
    request->hold(blocks_of(guest).unlock(*held, request->terms(), request->on_change()));
  }
}

/// The name of a job that the guest may schedule and delete. \return nothing when it has its answer
std::optional<std::string_view> own_job(Guest& guest, Span name) {
  const auto address = decode_address(guest.memory(), name, {}, DaprRest::None);
  if (!address) {
    refuse(guest, DaprErrno::Invalid);
    return std::nullopt;
  }
  const policy::DaprGrants& grants = guest.host<Host>().grants.dapr;
  return may_ask(guest, Grant::DaprJob, policy::is_granted(grants.jobs, address->text()), *address, true)
             ? std::optional(address->name)
             : std::nullopt;
}

void job_schedule(Guest& guest, std::uint32_t name, std::uint32_t name_length, std::uint32_t what,
                  std::uint32_t what_length) {
  const auto job = own_job(guest, {name, name_length});
  if (!job) {
    return;
  }
  if (auto given = take_checked(guest, {what, what_length}, checked_job)) {
    const auto request = begin(guest, std::move(given->share));
    request->hold(
        blocks_of(guest).set_job(*job, std::move(given->payload.bytes), request->terms(), request->on_change()));
  }
}

void job_delete(Guest& guest, std::uint32_t name, std::uint32_t name_length) {
  if (const auto job = own_job(guest, {name, name_length})) {
    const auto request = begin(guest);
    request->hold(blocks_of(guest).set_job(*job, nullptr, request->terms(), request->on_change()));
  }
}

std::uint32_t answer_size(Guest& guest) {
  const Host& host = guest.host<Host>();
  return host.dapr ? static_cast<std::uint32_t>(host.dapr->answer().size()) : 0;
}

std::uint32_t answer_read(Guest& guest, std::uint32_t from, std::uint32_t buffer, std::uint32_t length) {
  const Host& host = guest.host<Host>();
  const std::string_view answer = host.dapr ? host.dapr->answer() : std::string_view();
  const auto target = guest.memory().slice(buffer, length);
  if (!target || from > answer.size() || length > answer.size() - from) {
    return code(DaprErrno::Invalid);
  }
  if (guest.charge(length / 1024)) {
    wasm::GuestMemory::copy(std::as_bytes(std::span(answer.substr(from, length))), *target);
  }
  return code(DaprErrno::Success);
}

constexpr std::array<ImportItem, 21> kFunctions = {{
    {"invoke", wasm::define_async<&invoke>},
    {"state_get", wasm::define_async<&state_get>},
    {"state_save", wasm::define_async<&state_save>},
    {"state_delete", wasm::define_async<&state_delete>},
    {"state_transaction", wasm::define_async<&state_transaction>},
    {"state_get_bulk", wasm::define_async<&state_get_bulk>},
    {"publish", wasm::define_async<&publish>},
    {"binding", wasm::define_async<&binding>},
    {"secret", wasm::define_async<&secret>},
    {"actor_state_get", wasm::define_async<&actor_state_get>},
    {"actor_state_change", wasm::define_async<&actor_state_change>},
    {"actor_reminder", wasm::define_async<&actor_reminder>},
    {"actor_timer", wasm::define_async<&actor_timer>},
    {"actor_invoke", wasm::define_async<&actor_invoke>},
    {"configuration_get", wasm::define_async<&configuration_get>},
    {"lock", wasm::define_async<&lock>},
    {"unlock", wasm::define_async<&unlock>},
    {"job_schedule", wasm::define_async<&job_schedule>},
    {"job_delete", wasm::define_async<&job_delete>},
    {"answer_size", wasm::define<&answer_size>},
    {"answer_read", wasm::define<&answer_read>},
}};

}  // namespace

void define_dapr(const wasm::Linker& linker) {
  for (const ImportItem& item : kFunctions) {
    item.define(linker, kDaprModule, item.name);
  }
}

bool dapr_provides(std::string_view name) {
  return std::any_of(kFunctions.begin(), kFunctions.end(), [&](const ImportItem& item) { return item.name == name; });
}

}  // namespace trilby::host
