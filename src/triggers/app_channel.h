/// \file  Dapr's app channel over HTTP/1.1: which requests are Dapr's own, the calls that are made of them, and what
/// they are answered. What is no request of Dapr's is for the app's routes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "call/body_budget.h"
#include "call/call.h"
#include "triggers/event.h"
#include "triggers/route_table.h"
#include "triggers/router.h"

namespace trilby::triggers {

/// Where the events of topics arrive, unless the manifest says otherwise.
inline constexpr std::string_view kTopicPaths = "/dapr/topic/";

/// What calls a function when Dapr brings something.
struct EventTrigger {
  enum class Kind : std::uint8_t { Topic, Binding, Job, Configuration };

  Kind kind = Kind::Topic;
  std::string path;       ///< on the app channel; for all keys of a configuration store a prefix that ends in "/*"
  std::string component;  ///< pub/sub, binding or configuration store; empty for jobs
  std::string subject;    ///< topic, name of the job, or key of the configuration (empty: all of them)
  FunctionTarget function;
  FailureRules rules;
  Bytes event_limit;          ///< of one event with all that is around its data
  Bytes bulk_limit;           ///< of many that come together
  std::uint32_t at_once = 1;  ///< of those that come together, so many are worked on at a time
  std::size_t label = 0;      ///< in observe::Labels::routes()
};

/// All that Dapr may bring to one app. Threading: any; immutable.
class AppTriggers {
 public:
  struct Settings {
    std::string health_path;    ///< GET on it is Dapr's probe
    std::string subscriptions;  ///< what GET /dapr/subscribe is answered
    std::vector<EventTrigger> triggers;
    std::size_t own_label = 0;  ///< of requests about the app itself, in observe::Labels::routes()
  };
  explicit AppTriggers(Settings settings);
  AppTriggers(const AppTriggers&) = delete;  // it points into itself
  AppTriggers& operator=(const AppTriggers&) = delete;

  [[nodiscard]] const Settings& settings() const { return settings_; }
  /// \return null when none has that path
  [[nodiscard]] const EventTrigger* find(std::string_view path) const;
  [[nodiscard]] bool has_topics() const { return has_topics_; }

 private:
  Settings settings_;
  std::map<std::string_view, const EventTrigger*> by_path_;  // keys are the triggers' own
  std::vector<const EventTrigger*> by_prefix_;
  bool has_topics_ = false;
};

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
      Strayed,  ///< an event for a topic that the manifest does not have any more
      Nothing,  ///< whether the app takes events of a binding that it does not know
    };
    Part part = Part::Nothing;
    const EventTrigger* trigger = nullptr;
    std::size_t label = 0;
  };
  /// \param call  with all fields that were sent: what another app asks for (service invocation) is never Dapr's own,
  /// or any
  ///              app could forge events
  /// \return nothing when it is for the routes
  [[nodiscard]] std::optional<Taken> match(const Call& call) const;
  /// `done` runs exactly once, possibly before this returns.
  void run(const Taken& taken, Call call, OnOutcome done);

 private:
  class Delivery;

  const std::shared_ptr<const AppTriggers> triggers_;
  Router& router_;
  observe::IdSource& ids_;
  BodyBudget* const bodies_;
  std::list<Delivery> deliveries_;
};

}  // namespace trilby::triggers
