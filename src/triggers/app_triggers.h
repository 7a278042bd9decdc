/// \file  All that Dapr may bring to one app, and which function that is for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "triggers/event.h"
#include "triggers/retry_counts.h"
#include "triggers/route_table.h"

namespace trilby::triggers {

/// Where the events of topics arrive, unless the manifest says otherwise.
inline constexpr std::string_view kTopicPaths = "/dapr/topic/";

/// What calls a function when Dapr brings something.
struct EventTrigger {
  enum class Kind : std::uint8_t { Topic, Binding, Job, Configuration, Actor };

  Kind kind = Kind::Topic;
  std::string path;       ///< on the app channel; for all keys of a configuration store a prefix that ends in "/*"
  std::string component;  ///< pub/sub, binding, configuration store or type of actors; empty for jobs
  std::string subject;    ///< topic, name of the job, or key of the configuration (empty: all of them)
  FunctionTarget function;
  FailureRules rules;
  Bytes event_limit;  ///< of one event with all that is around its data
  Bytes bulk_limit;   ///< of many that come together
  RetryLimit retries;
  bool has_dead_letter = false;      ///< what is dropped is kept somewhere
  std::uint32_t at_once = 1;         ///< of those that come together, so many are worked on at a time
  bool wants_deactivations = false;  ///< of an actor
  std::size_t label = 0;             ///< in observe::Labels::routes()
};

/// Threading: any; immutable.
class AppTriggers {
 public:
  struct Settings {
    std::string health_path;            ///< GET on it is Dapr's probe
    std::string subscriptions;          ///< what GET /dapr/subscribe is answered
    std::string subscriptions_message;  ///< the same, as ListTopicSubscriptions is
    std::vector<EventTrigger> triggers;
    std::vector<EventTrigger> actors;
    std::string config = R"({"entities":[]})";  ///< what GET /dapr/config is answered
    std::size_t own_label = 0;                  ///< of requests about the app itself, in observe::Labels::routes()
  };
  explicit AppTriggers(Settings settings);
  AppTriggers(const AppTriggers&) = delete;  // it points into itself
  AppTriggers& operator=(const AppTriggers&) = delete;

  [[nodiscard]] const Settings& settings() const { return settings_; }
  /// \return null when none has that path
  [[nodiscard]] const EventTrigger* find(std::string_view path) const;
  /// \return null when the app hosts no actors of that type
  [[nodiscard]] const EventTrigger* find_actor(std::string_view type) const;
  [[nodiscard]] bool has_topics() const { return has_topics_; }

 private:
  Settings settings_;
  std::map<std::string_view, const EventTrigger*> by_path_;  // keys are the triggers' own
  std::vector<const EventTrigger*> by_prefix_;
  bool has_topics_ = false;
};

/// Which key of a configuration store `path` tells about.
[[nodiscard]] std::string_view configuration_key(const EventTrigger& trigger, std::string_view path);

}  // namespace trilby::triggers
