#include "triggers/app_triggers.h"

#include <algorithm>
#include <utility>

namespace trilby::triggers {

AppTriggers::AppTriggers(Settings settings) : settings_(std::move(settings)) {
  for (const EventTrigger& trigger : settings_.triggers) {
    if (trigger.path.ends_with("/*")) {
      by_prefix_.push_back(&trigger);
    } else {
      by_path_.emplace(trigger.path, &trigger);
    }
    has_topics_ = has_topics_ || trigger.kind == EventTrigger::Kind::Topic;
  }
}

const EventTrigger* AppTriggers::find(std::string_view path) const {
  if (const auto at = by_path_.find(path); at != by_path_.end()) {
    return at->second;
  }
  const auto at = std::find_if(by_prefix_.begin(), by_prefix_.end(), [&](const EventTrigger* trigger) {
    const std::string_view prefix = std::string_view(trigger->path).substr(0, trigger->path.size() - 1);
    return path.starts_with(prefix) && path.size() > prefix.size();
  });
  return at == by_prefix_.end() ? nullptr : *at;
}

const EventTrigger* AppTriggers::find_actor(std::string_view type) const {
  const auto at = std::find_if(settings_.actors.begin(), settings_.actors.end(),
                               [&](const EventTrigger& trigger) { return trigger.component == type; });
  return at == settings_.actors.end() ? nullptr : &*at;
}

std::string_view configuration_key(const EventTrigger& trigger, std::string_view path) {
  return trigger.subject.empty() ? path.substr(trigger.path.size() - 1) : std::string_view(trigger.subject);
}

}  // namespace trilby::triggers
