#include "triggers/subscription.h"

#include "base/json.h"

namespace trilby::triggers {
namespace {

void write_routes(JsonWriter& json, const std::vector<Subscription::Rule>& rules) {
  json.key("routes").open_object().key("rules").open_array();
  for (const auto& rule : rules) {
    if (!rule.match.empty()) {
      json.open_object().member("match", rule.match).member("path", rule.path).close_object();
    }
  }
  json.close_array();
  if (!rules.empty() && rules.back().match.empty()) {
    json.member("default", rules.back().path);
  }
  json.close_object();
}

void write(JsonWriter& json, const Subscription& subscription) {
  json.open_object().member("pubsubname", subscription.pubsub).member("topic", subscription.topic);
  write_routes(json, subscription.rules);
  if (!subscription.dead_letter.empty()) {
    json.member("deadLetterTopic", subscription.dead_letter);
  }
  if (!subscription.metadata.empty()) {
    json.key("metadata").open_object();
    for (const auto& [name, value] : subscription.metadata) {
      json.member(name, value);
    }
    json.close_object();
  }
  if (subscription.bulk) {
    const auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(subscription.bulk->max_wait).count();
    json.key("bulkSubscribe").open_object().member("enabled", true);
    json.member("maxMessagesCount", subscription.bulk->max_messages).member("maxAwaitDurationMs", wait).close_object();
  }
  json.close_object();
}

}  // namespace

std::string subscriptions_document(std::span<const Subscription> subscriptions) {
  std::string out;
  JsonWriter json(out);
  json.open_array();
  for (const Subscription& subscription : subscriptions) {
    write(json, subscription);
  }
  json.close_array();
  return out;
}

}  // namespace trilby::triggers
