/// \file  What Trilby asks of Dapr beside calling other apps (service_invocation.h): publishing, saving, sending.
/// https://docs.dapr.io/concepts/building-blocks-concept/
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "call/call.h"
#include "call/shared_body.h"

namespace trilby::dapr {

/// Data with what they are.
struct Payload {
  SharedBytes bytes;
  std::string content_type;
};

using Metadata = std::vector<std::pair<std::string, std::string>>;

struct Publication {
  std::string pubsub;  ///< the component; without '/'
  std::string topic;
  bool raw = false;  ///< the bytes as they are, not in a CloudEvent
  /// Of the CloudEvent, "type": what Dapr would say otherwise.
  Metadata attributes;
  Metadata metadata;  ///< for the component
  Payload payload;
};

/// Where data must be JSON, as a state's value and a binding's data over Dapr's HTTP API: JSON stays what it is, text
/// becomes a JSON text, all else a JSON text of base64.
struct StateEntry {
  std::string store;
  std::string key;
  Metadata metadata;
  Payload payload;
};

struct StateKey {
  std::string store;
  std::string key;
};

struct BindingRequest {
  std::string binding;
  std::string operation;
  Metadata metadata;
  Payload payload;
};

/// For whom something is asked.
struct Terms {
  Clock::time_point deadline = Clock::time_point::max();  ///< whoever asks gives up then
  TraceContext trace;                                     ///< of the request itself, not of its parent
};

/// One app's way to Dapr. Threading: loop-bound.
///
/// `done` runs once, later than the call that asks returned, with nothing when Dapr has taken over what it was given.
/// Errors: UpstreamFailed for all that Dapr refuses, or does not do in time; LimitWall when the deadline came;
/// LimitOutput for more than the sidecar takes; Overloaded when too much is asked at once; Draining.
/// \return a handle; destroying it gives the request up, which may happen all the same, and `done` never runs
class BuildingBlocks {
 public:
  using OnDone = std::function<void(Result<void>)>;
  using OnValue = std::function<void(Result<std::string>)>;  ///< as OnDone, with what Dapr says

  virtual ~BuildingBlocks() = default;
  [[nodiscard]] virtual std::shared_ptr<void> publish(const Publication& publication, Terms terms, OnDone done) = 0;
  [[nodiscard]] virtual std::shared_ptr<void> save_state(const StateEntry& entry, Terms terms, OnDone done) = 0;
  /// The value as it is saved, a JSON text with its quotes; empty when there is none. At most 64 KiB.
  [[nodiscard]] virtual std::shared_ptr<void> get_state(const StateKey& key, Terms terms, OnValue done) = 0;
  [[nodiscard]] virtual std::shared_ptr<void> invoke_binding(const BindingRequest& request, Terms terms,
                                                             OnDone done) = 0;
};

}  // namespace trilby::dapr
