/// \file  What tests of this folder put in the place of servers and sandboxes.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "dapr/building_blocks.h"
#include "http/server.h"
#include "invoke/invoker.h"

namespace trilby::triggers {

using namespace trilby::literals;

class FakeExchange final : public http::Exchange {
 public:
  http::RequestHead& head() override { return head_; }
  std::unique_ptr<BodySource> take_body() override { return make_body(body); }
  void respond(http::Response answer) override { response = std::move(answer); }
  void on_abandoned(std::function<void()> listener) override { abandoned = std::move(listener); }
  [[nodiscard]] bool sends_trailers() const override { return is_http2; }
  [[nodiscard]] std::string_view peer() const override { return "127.0.0.1:1"; }

  http::RequestHead head_;
  std::string body;
  bool is_http2 = false;
  std::optional<http::Response> response;
  std::function<void()> abandoned;
};

/// Ends calls as the test says: at once when `at_once` is set, else when it is told to.
class ScriptedInvoker final : public invoke::Invoker {
 public:
  struct Started {
    std::string data;
    Call call;
    OnOutcome done;
  };
  void start(const std::shared_ptr<const invoke::Function>& /*function*/, Call call, OnOutcome done) override {
    std::string data = call.body->take_ready().value();
    if (at_once) {
      seen.push_back(data);
      return done(at_once(data));
    }
    started.push_back({std::move(data), std::move(call), std::move(done)});
  }
  [[nodiscard]] std::size_t live() const override { return started.size(); }
  void cancel_all(Reason /*why*/) override {}

  void end(std::size_t index, Outcome outcome) {
    Started one = std::move(started[index]);
    started.erase(started.begin() + static_cast<std::ptrdiff_t>(index));
    one.done(std::move(outcome));
  }

  std::function<Outcome(const std::string& data)> at_once;
  std::vector<std::string> seen;
  std::vector<Started> started;
};

/// A body that comes when the test says.
class LateBody final : public BodySource {
 public:
  explicit LateBody(OnChunk& reader) : reader_(reader) {}
  void read(OnChunk on_chunk) override { reader_ = std::move(on_chunk); }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return std::nullopt; }

 private:
  OnChunk& reader_;
};

/// A way to Dapr that nobody asks what only guests ask.
class BlocksWithoutGuests : public dapr::BuildingBlocks {
 public:
  std::shared_ptr<void> read_state(const dapr::StateKey& /*key*/, dapr::Terms /*terms*/, dapr::Room /*room*/,
                                   OnAnswer /*done*/) override {
    return unasked();
  }
  std::shared_ptr<void> delete_state(const dapr::StateKey& /*key*/, dapr::Terms /*terms*/, OnDone /*done*/) override {
    return unasked();
  }
  std::shared_ptr<void> ask_binding(const dapr::BindingRequest& /*request*/, dapr::Terms /*terms*/, dapr::Room /*room*/,
                                    OnAnswer /*done*/) override {
    return unasked();
  }
  std::shared_ptr<void> read_secret(std::string_view /*store*/, std::string_view /*key*/, dapr::Terms /*terms*/,
                                    dapr::Room /*room*/, OnAnswer /*done*/) override {
    return unasked();
  }

  std::shared_ptr<void> read_actor_state(const dapr::ActorAddress& /*actor*/, std::string_view /*key*/,
                                         dapr::Terms /*terms*/, dapr::Room /*room*/, OnAnswer /*done*/) override {
    return unasked();
  }
  std::shared_ptr<void> change_actor_state(const dapr::ActorAddress& /*actor*/, SharedBytes /*operations*/,
                                           dapr::Terms /*terms*/, OnDone /*done*/) override {
    return unasked();
  }
  std::shared_ptr<void> invoke_actor(const dapr::ActorInvocation& /*call*/, dapr::Terms /*terms*/, dapr::Room /*room*/,
                                     OnAnswer /*done*/) override {
    return unasked();
  }
  std::shared_ptr<void> set_recurrence(const dapr::ActorRecurrence& /*recurrence*/, SharedBytes /*what*/,
                                       dapr::Terms /*terms*/, OnDone /*done*/) override {
    return unasked();
  }
  std::shared_ptr<void> change_states(std::string_view /*store*/, SharedBytes /*operations*/, dapr::Terms /*terms*/,
                                      OnChange /*done*/) override {
    return unasked();
  }
  std::shared_ptr<void> read_states(std::string_view /*store*/, SharedBytes /*keys*/, dapr::Terms /*terms*/,
                                    dapr::Room /*room*/, OnAnswer /*done*/) override {
    return unasked();
  }
  std::shared_ptr<void> read_configuration(std::string_view /*store*/, std::string_view /*key*/, dapr::Terms /*terms*/,
                                           dapr::Room /*room*/, OnAnswer /*done*/) override {
    return unasked();
  }
  std::shared_ptr<void> lock(const dapr::LockRequest& /*request*/, std::chrono::seconds /*time*/, dapr::Terms /*terms*/,
                             OnChange /*done*/) override {
    return unasked();
  }
  std::shared_ptr<void> unlock(const dapr::LockRequest& /*request*/, dapr::Terms /*terms*/,
                               OnChange /*done*/) override {
    return unasked();
  }
  std::shared_ptr<void> set_job(std::string_view /*name*/, SharedBytes /*what*/, dapr::Terms /*terms*/,
                                OnChange /*done*/) override {
    return unasked();
  }

 private:
  static std::shared_ptr<void> unasked() {
    ADD_FAILURE() << "only guests ask this";
    return nullptr;
  }
};

inline Outcome ok(std::string body = "done") {
  Outcome outcome;
  outcome.reason = Reason::Ok;
  outcome.status = 200;
  outcome.body = make_body(std::move(body));
  outcome.function = "f";
  return outcome;
}

/// "trap" ends in a trap, and so on.
inline Outcome as_named(const std::string& data) {
  const auto reason = reason_from_name(data);
  Outcome outcome = reason ? refusal(*reason) : ok();
  outcome.function = "f";
  return outcome;
}

/// Sends the body as a server would, and lets the response go.
inline std::string finish(http::Response& response) {
  std::string bytes;
  if (response.body) {
    (void)read_all(std::move(response.body), 1_MiB, [&](Result<std::string> all) { bytes = all ? *all : "failed"; });
  }
  return bytes;
}
inline std::string field(const http::Response& response, std::string_view name) {
  const std::string* value = response.fields.find(name);
  return value == nullptr ? "" : *value;
}
}  // namespace trilby::triggers
