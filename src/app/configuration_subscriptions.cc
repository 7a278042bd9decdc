#include "app/configuration_subscriptions.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "base/json.h"
#include "base/json_reader.h"
#include "base/text.h"

namespace trilby::app {
namespace {

constexpr std::size_t kMostNoted = 1000;  // subscriptions, and keys of one
constexpr std::size_t kMostText = 256;    // of a name, a key, an id
constexpr std::size_t kMostMetadata = 32;
constexpr std::size_t kMostMetadataText = 512;  // of a name, a value
constexpr std::size_t kMostQuery = 2000;        // daprd takes heads of 4 KiB, unless it is told otherwise

/// At most so long in a query: "&key=" and each byte escaped.
std::size_t query_size(const std::string& key) {
  constexpr std::size_t kName = 5;
  constexpr std::size_t kEscaped = 3;
  return kName + kEscaped * key.size();
}

std::size_t query_size(const std::map<std::string, std::string>& metadata) {
  return std::accumulate(metadata.begin(), metadata.end(), std::size_t{0}, [](std::size_t sum, const auto& one) {
    constexpr std::size_t kAround = 11;  // "&metadata." and '='
    return sum + kAround + 3 * (one.first.size() + one.second.size());
  });
}

std::optional<std::string> short_text(const JsonValue& value) {
  if (value.kind() != JsonValue::Kind::Text) {
    return std::nullopt;
  }
  std::string text = value.text();
  return text.empty() || text.size() > kMostText || has_control_characters(text) ? std::nullopt
                                                                                 : std::optional(std::move(text));
}

/// \return nothing when it is not of that form
std::optional<std::map<std::string, std::string>> read_noted_metadata(const JsonValue& object) {
  if (object.kind() != JsonValue::Kind::Object) {
    return std::nullopt;
  }
  std::map<std::string, std::string> made;
  for (JsonCursor cursor(object); cursor.next();) {
    std::string name = cursor.key();
    const JsonValue value = cursor.value();
    if (value.kind() != JsonValue::Kind::Text || name.size() > kMostMetadataText || made.size() == kMostMetadata) {
      return std::nullopt;
    }
    std::string text = value.text();
    if (text.size() > kMostMetadataText) {
      return std::nullopt;
    }
    made.insert_or_assign(std::move(name), std::move(text));
  }
  return made;
}

std::optional<ConfigurationSubscription> read_noted(const JsonValue& entry) {
  const auto text = [&](std::string_view name) {
    const auto value = find_member(entry, name);
    return value ? short_text(*value) : std::nullopt;
  };
  auto store = text("store");
  auto id = text("id");
  const auto keys = find_member(entry, "keys");
  if (!store || !id || !keys || keys->kind() != JsonValue::Kind::List) {
    return std::nullopt;
  }
  ConfigurationSubscription made{std::move(*store), {}, std::move(*id)};
  for (JsonCursor cursor(*keys); cursor.next();) {
    auto key = short_text(cursor.value());
    if (!key || made.keys.size() == kMostNoted) {
      return std::nullopt;
    }
    made.keys.push_back(std::move(*key));
  }
  if (const auto metadata = find_member(entry, "metadata")) {
    auto texts = read_noted_metadata(*metadata);
    if (!texts) {
      return std::nullopt;
    }
    made.metadata = std::move(*texts);
  }
  return made;
}

}  // namespace

std::vector<ConfigurationSubscription> needed_subscriptions(const App& app) {
  std::map<std::string, std::set<std::string>> keys_of;  // each store
  std::map<std::string, std::map<std::string, std::string>> metadata_of;
  for (const ConfigurationTrigger& trigger : app.configurations) {
    keys_of[trigger.store].insert(trigger.key);
    metadata_of.try_emplace(trigger.store, trigger.metadata);  // those of its first trigger
  }
  std::vector<ConfigurationSubscription> made;
  for (const auto& [store, keys] : keys_of) {
    const auto& metadata = metadata_of[store];
    made.push_back({store, {}, {}, metadata});
    if (keys.contains("")) {
      continue;
    }
    const std::size_t always = query_size(metadata);
    std::size_t query = always;
    for (const std::string& key : keys) {
      if (query + query_size(key) > kMostQuery && !made.back().keys.empty()) {
        made.push_back({store, {}, {}, metadata});
        query = always;
      }
      query += query_size(key);
      made.back().keys.push_back(key);
    }
  }
  return made;
}

std::string subscriptions_note(std::span<const ConfigurationSubscription> subscriptions) {
  std::string out;
  JsonWriter json(out);
  json.open_array();
  for (const ConfigurationSubscription& one : subscriptions) {
    json.open_object().member("store", one.store).key("keys").open_array();
    for (const std::string& key : one.keys) {
      json.value(key);
    }
    json.close_array().member("id", one.id);
    if (!one.metadata.empty()) {
      json.key("metadata").open_object();
      for (const auto& [name, value] : one.metadata) {
        json.member(name, value);
      }
      json.close_object();
    }
    json.close_object();
  }
  json.close_array();
  return out;
}

std::optional<std::vector<ConfigurationSubscription>> noted_subscriptions(std::string_view metadata) {
  const auto document = parse_json(metadata);
  const auto extended = document ? find_member(*document, "extended") : std::nullopt;
  const auto note = extended ? find_member(*extended, kSubscriptionsNote) : std::nullopt;
  if (!note || note->kind() != JsonValue::Kind::Text) {
    return std::nullopt;
  }
  const std::string text = note->text();
  const auto list = parse_json(text);
  if (!list || list->kind() != JsonValue::Kind::List) {
    return std::nullopt;
  }
  std::vector<ConfigurationSubscription> found;
  for (JsonCursor cursor(*list); cursor.next();) {
    auto one = read_noted(cursor.value());
    if (!one || found.size() == kMostNoted) {
      return std::nullopt;
    }
    found.push_back(std::move(*one));
  }
  return found;
}

std::optional<std::string> subscription_id(std::string_view answer) {
  const auto document = parse_json(answer);
  const auto id = document ? find_member(*document, "id") : std::nullopt;
  return id ? short_text(*id) : std::nullopt;
}

}  // namespace trilby::app
