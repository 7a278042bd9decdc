/// \file  Dapr's app channel over HTTP/1.1: which requests are Dapr's own, the calls that are made of them, and what
/// they are answered. What is no request of Dapr's is for the app's routes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "call/body_budget.h"
#include "call/call.h"
#include "triggers/actor.h"
#include "triggers/app_triggers.h"
#include "triggers/delivery.h"
#include "triggers/router.h"

namespace trilby::triggers {

/// Threading: loop-bound. Ownership: outlives its exchanges, and is destroyed after its last call has ended; what it is
/// made with outlives it.
class AppChannel {
 public:
  /// \param bodies  what events that are being read may take together; null: as much as their limits allow
  AppChannel(std::shared_ptr<const AppTriggers> triggers, Router& router, observe::IdSource& ids, BodyBudget* bodies);
  AppChannel(const AppChannel&) = delete;
  AppChannel& operator=(const AppChannel&) = delete;
  ~AppChannel();

  /// Dapr's health probe carries no token, so it is asked for none.
  /// \param target  as it was sent
  [[nodiscard]] bool is_probe(std::string_view method, std::string_view target) const;

  /// A request that is Dapr's own.
  struct Taken {
    enum class Part : std::uint8_t {
      Probe,
      Config,
      Subscriptions,
      Offer,    ///< whether the app takes events of a binding
      Event,    ///< for `trigger`
      Actor,    ///< of the type of `trigger`
      Refused,  ///< what is asked of an actor and may not be
      Strayed,  ///< an event for a topic that the manifest does not have any more
      Nothing,  ///< whether the app takes events of a binding that it does not know
    };
    /// Whether somebody called who may say how long he waits, and through how many apps the call came. The fields of an
    /// event are its publisher's, whom nobody knows: what he puts there must not keep it from its trigger.
    [[nodiscard]] bool has_caller() const { return part == Part::Actor; }

    Part part = Part::Nothing;
    const EventTrigger* trigger = nullptr;
    std::size_t label = 0;
    std::optional<ActorRequest> actor;
    std::string detail;  ///< of what is refused
  };
  /// \param call  with all fields that were sent: what another app asks for (service invocation) is never Dapr's own,
  /// or any app could forge events
  /// \param target  what its path was decoded from
  /// \return nothing when it is for the routes
  [[nodiscard]] std::optional<Taken> match(const Call& call, std::string_view target) const;
  /// `done` runs exactly once, possibly before this returns.
  void run(Taken taken, Call call, OnOutcome done);

 private:
  class Arrival;

  [[nodiscard]] std::optional<Taken> match_actor(const Call& call, std::string_view target) const;

  const std::shared_ptr<const AppTriggers> triggers_;
  Router& router_;
  BodyBudget* const bodies_;
  Deliveries deliveries_;
  std::list<Arrival> arrivals_;
};

}  // namespace trilby::triggers
