/// \file  What an app tells Dapr that it wants to be brought.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/units.h"

namespace trilby::triggers {

/// One topic of one pub/sub component.
struct Subscription {
  /// Events of one kind, and where they go.
  struct Rule {
    std::string match;  ///< a CEL expression over `event`, for the sidecar to evaluate; empty: every event
    std::string path;   ///< on the app channel
  };
  struct Bulk {
    std::uint32_t max_messages = 0;
    Duration max_wait{};
  };

  std::string pubsub;
  std::string topic;
  std::vector<Rule> rules;  ///< the first that matches takes the event; one without `match` stands last
  std::string dead_letter;  ///< a topic of the same component; empty: none
  std::optional<Bulk> bulk;
  std::map<std::string, std::string> metadata;  ///< for the component
};

/// The answer to GET /dapr/subscribe.
[[nodiscard]] std::string subscriptions_document(std::span<const Subscription> subscriptions);

}  // namespace trilby::triggers
