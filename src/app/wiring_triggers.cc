#include "app/wiring_triggers.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "app/wiring.h"
#include "triggers/actor.h"
#include "triggers/app_callback.h"
#include "triggers/subscription.h"

namespace trilby::app {
namespace {

using triggers::EventTrigger;
using triggers::Verdict;

/// Of the events that come in one delivery; more of one function at a time would only wait for its slots.
constexpr std::uint32_t kMostAtOnce = 16;
constexpr Bytes kAroundData{64U << 10U};  // attributes, and what JSON puts around

triggers::FailureRules rules_of(const FailureActions& actions) {
  return {actions.drop_bad_input ? Verdict::Drop : Verdict::Retry,
          actions.drop_failure ? Verdict::Drop : Verdict::Retry};
}

std::vector<triggers::Subscription> subscriptions_of(const App& app) {
  std::vector<triggers::Subscription> made;
  for (const TopicTrigger& trigger : app.topics) {
    auto at = std::find_if(made.begin(), made.end(), [&](const triggers::Subscription& known) {
      return known.pubsub == trigger.pubsub && known.topic == trigger.topic;
    });
    if (at == made.end()) {
      at = made.insert(made.end(), {trigger.pubsub, trigger.topic, {}, trigger.dead_letter, {}, trigger.metadata});
      if (trigger.bulk) {
        at->bulk = triggers::Subscription::Bulk{trigger.bulk->max_messages, trigger.bulk->max_wait};
      }
    }
    at->rules.push_back({trigger.match, trigger.path});
  }
  return made;
}

/// It is said where the subscription comes first.
bool has_dead_letter(const App& app, const TopicTrigger& trigger) {
  return std::any_of(app.topics.begin(), app.topics.end(), [&](const TopicTrigger& one) {
    return one.pubsub == trigger.pubsub && one.topic == trigger.topic && !one.dead_letter.empty();
  });
}

/// Makes the triggers of one app.
class Maker {
 public:
  Maker(const Manifest& manifest, const FunctionTargets& functions) : manifest_(manifest), functions_(functions) {}

  /// \param from  what the manifest says of it
  template <typename Trigger>
  Result<void> add(EventTrigger trigger, const Trigger& from) {
    auto target = functions_.target(from.function, from.outputs);
    if (!target) {
      return fail(located(manifest_, from.source, std::move(target).error()));
    }
    const auto known = std::find_if(manifest_.functions.begin(), manifest_.functions.end(),
                                    [&](const Function& one) { return one.name == from.function; });
    trigger.at_once = std::clamp(known->policy.limits.concurrency, 1U, kMostAtOnce);
    const bool has_envelope = trigger.kind == EventTrigger::Kind::Topic ||
                              trigger.kind == EventTrigger::Kind::Configuration ||
                              trigger.kind == EventTrigger::Kind::Actor;
    const std::uint64_t data = target->request_body.count;
    // Base64 and escapes make data longer. Half of what all may take, for a body is copied while it grows.
    const std::uint64_t most = manifest_.server.request_bodies.count / 2;
    trigger.event_limit = Bytes{std::min(has_envelope ? 2 * data + kAroundData.count : data, most)};
    trigger.bulk_limit = Bytes{most};
    trigger.function = std::move(*target);
    triggers_.push_back(std::move(trigger));
    return {};
  }
  std::vector<EventTrigger> take() { return std::exchange(triggers_, {}); }

 private:
  const Manifest& manifest_;
  const FunctionTargets& functions_;
  std::vector<EventTrigger> triggers_;
};

}  // namespace

Result<std::shared_ptr<const triggers::AppTriggers>> make_triggers(const Manifest& manifest, const App& app,
                                                                   const AppLabels& labels,
                                                                   const FunctionTargets& functions) {
  using Kind = EventTrigger::Kind;
  Maker maker(manifest, functions);
  const auto make = [](Kind kind, const std::string& path, std::string component, std::string subject,
                       const FailureActions& actions, std::size_t label) {
    EventTrigger trigger;
    trigger.kind = kind;
    trigger.path = path;
    trigger.component = std::move(component);
    trigger.subject = std::move(subject);
    trigger.rules = rules_of(actions);
    trigger.label = label;
    return trigger;
  };
  for (std::size_t i = 0; i < app.topics.size(); ++i) {
    const TopicTrigger& one = app.topics[i];
    EventTrigger trigger = make(Kind::Topic, one.path, one.pubsub, one.topic, one.actions, labels.topics[i]);
    if (gives_up(app, one)) {
      trigger.retries = {app.sidecar->retry_store, one.max_retries};
    }
    trigger.has_dead_letter = has_dead_letter(app, one);
    TRILBY_CHECK(maker.add(std::move(trigger), one));
  }
  for (std::size_t i = 0; i < app.bindings.size(); ++i) {
    const BindingTrigger& one = app.bindings[i];
    TRILBY_CHECK(maker.add(make(Kind::Binding, one.path, one.name, {}, one.actions, labels.bindings[i]), one));
  }
  for (std::size_t i = 0; i < app.jobs.size(); ++i) {
    const JobTrigger& one = app.jobs[i];
    TRILBY_CHECK(maker.add(make(Kind::Job, one.path, {}, one.name, one.actions, labels.jobs[i]), one));
  }
  for (std::size_t i = 0; i < app.configurations.size(); ++i) {
    const ConfigurationTrigger& one = app.configurations[i];
    TRILBY_CHECK(maker.add(make(Kind::Configuration, one.path, one.store, one.key, {}, labels.configurations[i]), one));
  }
  std::vector<EventTrigger> events = maker.take();
  std::vector<triggers::HostedActor> hosted;
  for (std::size_t i = 0; i < app.actors.size(); ++i) {
    const ActorTrigger& one = app.actors[i];
    EventTrigger trigger = make(Kind::Actor, one.path, one.type, {}, one.actions, labels.actors[i]);
    trigger.wants_deactivations = one.on_deactivate;
    TRILBY_CHECK(maker.add(std::move(trigger), one));
    hosted.push_back({one.type, one.idle_timeout, one.drain_timeout, one.reentrancy});
  }
  const std::vector<triggers::Subscription> subscriptions = subscriptions_of(app);
  return std::make_shared<const triggers::AppTriggers>(triggers::AppTriggers::Settings{
      app.health, triggers::subscriptions_document(subscriptions), triggers::subscriptions_message(subscriptions),
      std::move(events), maker.take(), triggers::config_document(hosted), labels.dapr});
}

}  // namespace trilby::app
