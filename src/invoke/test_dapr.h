/// \file  Whom a guest asks of Dapr, for the tests of this folder.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "dapr/app_ways.h"
#include "dapr/building_blocks.h"
#include "dapr/service_invocation.h"
#include "invoke/test_calls.h"

namespace trilby::invoke {

/// Writes down what it is asked, and answers when the test says.
class FakeBlocks final : public dapr::BuildingBlocks {
 public:
  std::shared_ptr<void> publish(const dapr::Publication&, dapr::Terms, OnDone) override { return unasked(); }
  std::shared_ptr<void> save_state(const dapr::StateEntry& what, dapr::Terms with, OnDone done) override {
    return take(fmt::format("save {}/{}: {}", what.store, what.key, *what.payload.bytes), std::move(with),
                without_answer(std::move(done)));
  }
  std::shared_ptr<void> get_state(const dapr::StateKey&, dapr::Terms, OnValue) override { return unasked(); }
  std::shared_ptr<void> invoke_binding(const dapr::BindingRequest&, dapr::Terms, OnDone) override { return unasked(); }
  std::shared_ptr<void> read_state(const dapr::StateKey& key, dapr::Terms with, dapr::Room room,
                                   OnAnswer done) override {
    most = room.most;
    return take(fmt::format("read {}/{}", key.store, key.key), std::move(with), std::move(done));
  }
  std::shared_ptr<void> delete_state(const dapr::StateKey&, dapr::Terms, OnDone) override { return unasked(); }
  std::shared_ptr<void> ask_binding(const dapr::BindingRequest&, dapr::Terms, dapr::Room, OnAnswer) override {
    return unasked();
  }
  std::shared_ptr<void> read_secret(std::string_view, std::string_view, dapr::Terms, dapr::Room, OnAnswer) override {
    return unasked();
  }

  std::shared_ptr<void> read_actor_state(const dapr::ActorAddress& actor, std::string_view key, dapr::Terms with,
                                         dapr::Room room, OnAnswer done) override {
    most = room.most;
    return take(fmt::format("read {}/{}/{}", actor.type, actor.id, key), std::move(with), std::move(done));
  }
  std::shared_ptr<void> change_actor_state(const dapr::ActorAddress& actor, SharedBytes operations, dapr::Terms with,
                                           OnDone done) override {
    return take(fmt::format("change {}/{}: {}", actor.type, actor.id, *operations), std::move(with),
                without_answer(std::move(done)));
  }
  std::shared_ptr<void> invoke_actor(const dapr::ActorInvocation& call, dapr::Terms with, dapr::Room room,
                                     OnAnswer done) override {
    most = room.most;
    return take(fmt::format("invoke {}/{}/{} ({}, {}) {} {}", call.actor.type, call.actor.id, call.method,
                            call.reentrancy, call.hops, call.payload.content_type, *call.payload.bytes),
                std::move(with), std::move(done));
  }
  std::shared_ptr<void> set_recurrence(const dapr::ActorRecurrence& recurrence, SharedBytes what, dapr::Terms with,
                                       OnDone done) override {
    return take(
        fmt::format("{} {}/{}/{}: {}", recurrence.kind == dapr::ActorRecurrence::Kind::Timer ? "timer" : "reminder",
                    recurrence.actor.type, recurrence.actor.id, recurrence.name, what ? *what : "none"),
        std::move(with), without_answer(std::move(done)));
  }

  std::shared_ptr<void> change_states(std::string_view store, SharedBytes operations, dapr::Terms with,
                                      OnChange done) override {
    return take_change(fmt::format("change {}: {}", store, *operations), std::move(with), std::move(done));
  }
  std::shared_ptr<void> read_states(std::string_view store, SharedBytes keys, dapr::Terms with, dapr::Room room,
                                    OnAnswer done) override {
    most = room.most;
    return take(fmt::format("read {}: {}", store, *keys), std::move(with), std::move(done));
  }
  std::shared_ptr<void> read_configuration(std::string_view store, std::string_view key, dapr::Terms with,
                                           dapr::Room room, OnAnswer done) override {
    most = room.most;
    return take(fmt::format("configuration {}/{}", store, key), std::move(with), std::move(done));
  }
  std::shared_ptr<void> lock(const dapr::LockRequest& request, std::chrono::seconds time, dapr::Terms with,
                             OnChange done) override {
    return take_change(
        fmt::format("lock {}/{} as {} for {} s", request.store, request.resource, request.owner, time.count()),
        std::move(with), std::move(done));
  }
  std::shared_ptr<void> unlock(const dapr::LockRequest& request, dapr::Terms with, OnChange done) override {
    return take_change(fmt::format("unlock {}/{} as {}", request.store, request.resource, request.owner),
                       std::move(with), std::move(done));
  }
  std::shared_ptr<void> set_job(std::string_view job, SharedBytes what, dapr::Terms with, OnChange done) override {
    return take_change(fmt::format("job {}: {}", job, what ? *what : "none"), std::move(with), std::move(done));
  }

  void answer(Result<std::optional<WholeBody>> result) { std::exchange(waiting, nullptr)(std::move(result)); }
  void answer(std::string bytes) { answer(std::optional(WholeBody{std::move(bytes), {}})); }

  std::vector<std::string> asked;
  dapr::Terms terms;
  Bytes most;
  dapr::Change change = dapr::Change::Made;  // what becomes of one that goes well
  OnAnswer waiting;
  std::weak_ptr<void> handle;
  std::function<void()> on_asked;  // later in the turn

 private:
  static OnAnswer without_answer(OnDone done) {
    return [done = std::move(done)](Result<std::optional<WholeBody>> result) {
      done(result ? Result<void>() : fail(std::move(result).error()));
    };
  }
  static std::shared_ptr<void> unasked() {
    ADD_FAILURE() << "nobody asks this here";
    return nullptr;
  }
  std::shared_ptr<void> take_change(std::string what, dapr::Terms given, OnChange done) {
    return take(std::move(what), std::move(given),
                [this, done = std::move(done)](Result<std::optional<WholeBody>> result) {
                  done(result ? Result<dapr::Change>(change) : fail(std::move(result).error()));
                });
  }
  std::shared_ptr<void> take(std::string what, dapr::Terms given, OnAnswer done) {
    asked.push_back(std::move(what));
    terms = std::move(given);
    waiting = std::move(done);
    if (on_asked) {
      on_asked();
    }
    const auto held = std::make_shared<int>(0);
    handle = held;
    return held;
  }
};

class FakeInvocation final : public dapr::ServiceInvocation {
 public:
  void invoke(std::string_view app_id, Call call, OnOutcome done) override {
    app = app_id;
    called = std::move(call);
    waiting = std::move(done);
    if (on_asked) {
      on_asked();
    }
  }
  void answer(std::string body) {
    Outcome outcome;
    outcome.reason = Reason::Ok;
    outcome.status = 200;
    outcome.body = make_body(std::move(body));
    waiting(std::move(outcome));
  }
  std::string app;
  std::optional<Call> called;
  OnOutcome waiting;
  std::function<void()> on_asked;
};

/// May read and write store/granted, and call billing/pay.
inline void grant_some(FunctionSpec& spec) {
  spec.policy.grants.dapr.state["store/granted"] = {.read = true, .write = true};
  spec.policy.grants.dapr.invoke.insert("billing/pay");
}

/// A call by an app that has `ways`, which outlive it.
inline Call asking_call(std::string input, const dapr::AppWays& ways) {
  Call made = test_call(std::move(input));
  made.ways = &ways;
  made.trace.traceparent = "parent";
  made.hops = 3;
  return made;
}

}  // namespace trilby::invoke
