/// \file  Dapr's app channel over gRPC: the AppCallback services, from a message to the calls that are made of it and
/// to the message that answers it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "call/body_budget.h"
#include "call/call.h"
#include "triggers/app_triggers.h"
#include "triggers/delivery.h"
#include "triggers/router.h"

namespace trilby::triggers {

/// Threading: loop-bound. Ownership: outlives its calls, and is destroyed after the last of them has ended; what it is
/// made with outlives it.
class GrpcChannel {
 public:
  enum class Method : std::uint8_t {
    OnInvoke,
    ListTopicSubscriptions,
    OnTopicEvent,
    OnBulkTopicEvent,  ///< also in its alpha form, as OnJobEvent
    ListInputBindings,
    OnBindingEvent,
    OnJobEvent,
    HealthCheck,  ///< stands last
  };

  /// \param routes  `router`'s: how large what OnInvoke brings may be
  /// \param most  no message may be larger
  /// \param answers  what answers may take together whose length is not known beforehand; null: as much as `most`
  /// allows
  GrpcChannel(std::shared_ptr<const AppTriggers> triggers, const RouteTable& routes, Router& router,
              observe::IdSource& ids, Bytes most, BodyBudget* answers);
  GrpcChannel(const GrpcChannel&) = delete;
  GrpcChannel& operator=(const GrpcChannel&) = delete;
  ~GrpcChannel();

  /// \param path  "/dapr.proto.runtime.v1.AppCallback/OnInvoke". \return nothing when no service here has that
  [[nodiscard]] static std::optional<Method> find(std::string_view path);
  /// Whether the sidecar sends the app's token with it. It does not with the probe, as over HTTP, and, otherwise than
  /// there, with the questions for topics and bindings: these are answered to whoever asks, and tell nothing but names.
  [[nodiscard]] static bool has_token(Method method);
  /// How large its message may be.
  [[nodiscard]] Bytes limit(Method method) const { return limits_.at(static_cast<std::size_t>(method)); }

  /// A message, and the body that it lies in.
  struct Message {
    std::shared_ptr<WholeBody> body;
    std::string_view bytes;
  };
  /// What a request turned out to be about, for its line in the log: as over HTTP, so that it does not matter which of
  /// the two an app speaks.
  struct About {
    std::size_t label = 0;  ///< in observe::Labels::routes()
    std::string method;     ///< of HTTP
    std::string path;       ///< of the route or the trigger; empty when there is none
  };
  /// Serves one message. `done` runs exactly once, possibly before this returns, with an outcome whose status is
  /// HTTP's. Below 400 its body is the message that answers, of known length; from 400 on it is an error, whatever its
  /// body is.
  /// \param call  with all metadata that were sent, and no body
  /// \param about  with the label of what takes no route; known when this returns
  void run(Method method, Message message, Call call, About& about, OnOutcome done);

 private:
  void topic(std::string_view message, Call call, About& about, OnOutcome done);
  void bulk(Message message, Call call, About& about, OnOutcome done);
  void binding(std::string_view message, Call call, About& about, OnOutcome done);
  void job(std::string_view message, Call call, About& about, OnOutcome done);
  void invoke(const Message& message, Call call, About& about, OnOutcome done);
  void answer_invocation(Outcome outcome, OnOutcome done) const;
  void configuration(const EventTrigger& trigger, std::string_view document, Call call, OnOutcome done);
  [[nodiscard]] const EventTrigger* find_trigger(EventTrigger::Kind kind, std::string_view name) const;
  [[nodiscard]] std::string bindings() const;

  const std::shared_ptr<const AppTriggers> triggers_;
  Router& router_;
  const Bytes most_;
  BodyBudget* const answers_;
  std::array<Bytes, static_cast<std::size_t>(Method::HealthCheck) + 1> limits_{};
  Deliveries deliveries_;
};

}  // namespace trilby::triggers
