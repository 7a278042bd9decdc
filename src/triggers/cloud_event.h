/// \file  What Dapr brings, read into events: CloudEvents 1.0 (https://github.com/cloudevents/spec) in JSON, alone and
/// in bulk, and changes of configuration. All of it comes from whoever may publish.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_reader.h"
#include "base/result.h"
#include "call/fields.h"
#include "triggers/app_triggers.h"
#include "triggers/event.h"

namespace trilby::triggers {

/// Tells one attribute as CE_NAME; but nothing of what has no value, or a name that no attribute may have.
/// \return as Event::tell()
[[nodiscard]] Result<void> tell_attribute(Event& event, std::string_view name, const std::optional<std::string>& value);

/// One CloudEvent. Its data in natural form: base64 decoded; a text decoded where the content type is not JSON;
/// anything else as the JSON that it is, byte for byte. Its attributes as CE_NAME, those whose name has letters and
/// digits of lower case (as the specification has it) and whose value is a text, a number or a flag. What is missing is
/// not told.
/// \return Reason::BadRequest when it is no object, says a thing twice, or has data that is not what it says;
///         Reason::HeadTooLarge for more attributes than an event may have
[[nodiscard]] Result<Event> read_cloud_event(const JsonValue& envelope);

/// The event of a delivery: `body` is a CloudEvent in JSON, or, where the fields hold the attributes (binary mode) as
/// "ce_NAME" or "ce-NAME", its data alone. A sidecar says neither which it is (the content type is that of the first in
/// any case) nor who wrote the fields (a publisher's metadata may be among them), so a body that is a CloudEvent is
/// taken as one.
/// \return as read_cloud_event()
[[nodiscard]] Result<Event> read_delivered_event(const Fields& fields, std::string body);

/// One event of many that came together. Ownership: `event` is a view into the text of all.
struct BulkEntry {
  std::string id;  ///< what its status is said by
  JsonValue event;
  std::string content_type;
};
inline constexpr std::size_t kMaxBulkEntries = 10'000;
/// \return Reason::BadRequest when it is no envelope of Dapr's bulk subscriptions
[[nodiscard]] Result<std::vector<BulkEntry>> read_bulk(const JsonValue& envelope);
/// A CloudEvent, or, where the subscription is raw, data in base64. \return as read_cloud_event()
[[nodiscard]] Result<Event> read_bulk_entry(const BulkEntry& entry);

/// A change that came to `path`, for `trigger`. \param text  as read_configuration_change() takes it, unparsed
[[nodiscard]] Result<Event> read_configuration_event(const EventTrigger& trigger, std::string_view path,
                                                     std::string_view text);
/// The item `key` of {"id", "items": {KEY: {"value", "version", "metadata"}}}: its value as data, which is empty where
/// the item is not there any more.
[[nodiscard]] Result<Event> read_configuration_change(const JsonValue& change, std::string_view key);

}  // namespace trilby::triggers
