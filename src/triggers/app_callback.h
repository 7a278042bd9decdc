/// \file  The messages of dapr.proto.runtime.v1's AppCallback services, which Dapr's sidecar calls over gRPC: read into
/// events and requests, and written. Field numbers are those of appcallback.proto and common.proto of Dapr 1.18.
/// Whoever may publish decides what is in them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "triggers/event.h"
#include "triggers/subscription.h"

namespace trilby::triggers {

// All views lie in the message that was read. An error of the message itself, which is not what Protocol Buffers have,
// is Reason::BadRequest; what is wrong with the event in it stands in its place, for the trigger's rules to judge.

/// TopicEventRequest
struct TopicMessage {
  std::string_view path;  ///< that the app gave for the subscription
  Result<Event> event;
};
[[nodiscard]] Result<TopicMessage> read_topic_message(std::string_view message);

/// TopicEventBulkRequest
struct BulkMessage {
  struct Entry {
    std::string_view id;
    std::string_view content_type;  ///< of raw data
    std::string_view event;         ///< TopicEventCERequest, or raw data
    bool is_raw = false;
  };
  std::string_view path;
  std::vector<Entry> entries;  ///< at most kMaxBulkEntries
};
[[nodiscard]] Result<BulkMessage> read_bulk_message(std::string_view message);
[[nodiscard]] Result<Event> read_bulk_event(const BulkMessage::Entry& entry);

/// BindingEventRequest
struct BindingMessage {
  std::string_view name;  ///< of the component
  Result<Event> event;    ///< metadata as DAPR_METADATA_NAME
};
[[nodiscard]] Result<BindingMessage> read_binding_message(std::string_view message);

/// JobEventRequest
struct JobMessage {
  std::string_view name;
  Result<Event> event;  ///< a google.protobuf.Value (which jobs over Dapr's HTTP API have) as JSON; else the bytes
                        ///< without blanks around them: as Dapr gives them over HTTP
};
[[nodiscard]] Result<JobMessage> read_job_message(std::string_view message);

/// InvokeRequest
struct InvokeMessage {
  std::string_view verb;    ///< "POST" when it does not say
  std::string_view method;  ///< a path, with or without '/' before it
  std::string_view query;
  std::string_view content_type;
  std::string_view data;
};
[[nodiscard]] Result<InvokeMessage> read_invoke_message(std::string_view message);

/// TopicEventResponse
[[nodiscard]] std::string topic_status_message(Verdict verdict);
/// TopicEventBulkResponse
[[nodiscard]] std::string bulk_statuses_message(const std::vector<BulkMessage::Entry>& entries,
                                                const std::vector<Verdict>& verdicts);
/// What stands before the data in a BindingEventResponse, and in an InvokeResponse. The data ends either.
[[nodiscard]] std::string binding_answer_head(std::uint64_t data_size);
[[nodiscard]] std::string invoke_answer_head(std::string_view content_type, std::uint64_t data_size);

/// ListTopicSubscriptionsResponse
[[nodiscard]] std::string subscriptions_message(std::span<const Subscription> subscriptions);
/// ListInputBindingsResponse
[[nodiscard]] std::string bindings_message(std::span<const std::string_view> names);

}  // namespace trilby::triggers
