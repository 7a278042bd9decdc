/// \file  Subscriptions to changes of configuration: those that an app needs, and those that its sidecar has.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/manifest.h"

namespace trilby::app {

struct ConfigurationSubscription {
  std::string store;
  std::vector<std::string> keys;  ///< in their order; none: every key
  std::string id;                 ///< by which the sidecar knows it; empty: it is not made yet
  std::map<std::string, std::string> metadata{};

  [[nodiscard]] bool is_about_the_same(const ConfigurationSubscription& other) const {
    return store == other.store && keys == other.keys && metadata == other.metadata;
  }
};

/// What its triggers need. Of one store there may be several, so that each fits into the head of a request.
[[nodiscard]] std::vector<ConfigurationSubscription> needed_subscriptions(const App& app);

// A sidecar tells nobody which subscriptions it has, so whoever made them leaves a note with it, among its metadata. It
// is there as long as they are: until the sidecar's process ends.

inline constexpr std::string_view kSubscriptionsNote = "trilby-configuration";  ///< its name there

[[nodiscard]] std::string subscriptions_note(std::span<const ConfigurationSubscription> subscriptions);
/// What the note says in a sidecar's metadata, a JSON text: at most 1000, with 1000 keys and 32 texts of
/// metadata each.
/// \return nothing when there is none, or none of ours
[[nodiscard]] std::optional<std::vector<ConfigurationSubscription>> noted_subscriptions(std::string_view metadata);
/// The id in the answer to a subscription, 1 to 256 printable characters. \return nothing when there is none
[[nodiscard]] std::optional<std::string> subscription_id(std::string_view answer);

}  // namespace trilby::app
