#include "triggers/cloud_event.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/base64.h"
#include "base/text.h"

namespace trilby::triggers {
namespace {

using Kind = JsonValue::Kind;

constexpr std::size_t kMaxAttributeName = 64;
constexpr std::string_view kAttributePrefix = "CE_";
constexpr std::string_view kMetadataPrefix = "DAPR_METADATA_";

bool is_attribute_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxAttributeName &&
         std::all_of(name.begin(), name.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
}

bool is_json(std::string_view content_type) {
  const std::string type = ascii_lower(content_type.substr(0, content_type.find_first_of("; ")));
  return type.empty() || is_json_type(type);
}

/// \return nothing for what no attribute may be
std::optional<std::string> attribute_text(const JsonValue& value) {
  switch (value.kind()) {
    case Kind::Text:
      return value.text();
    case Kind::Number:
    case Kind::Flag:
      return std::string(value.raw());
    default:
      return std::nullopt;
  }
}

Result<std::string> base64_data(const JsonValue& value) {
  auto data = value.kind() == Kind::Text ? decode_base64(value.text()) : std::nullopt;
  if (!data) {
    return fail(Reason::BadRequest, "the event's data is not the base64 that it says it is");
  }
  return std::move(*data);
}

Result<void> expect_object(const JsonValue& value, std::string_view what) {
  if (value.kind() != Kind::Object) {
    return fail(Reason::BadRequest, "{} is no JSON object", what);
  }
  return {};
}

/// Takes a member that may be there once.
Result<void> take_once(std::optional<JsonValue>& place, const JsonValue& value, std::string_view name) {
  if (place) {
    return fail(Reason::BadRequest, "\"{}\" is there twice", name);
  }
  place = value;
  return {};
}

/// Metadata of an item: what is no text, or would have another's name, is not told.
Result<void> tell_metadata(Event& event, const JsonValue& metadata) {
  for (JsonCursor member(metadata); metadata.kind() == Kind::Object && member.next();) {
    const std::string name = std::string(kMetadataPrefix) + variable_suffix(member.key());
    if (member.value().kind() == Kind::Text && event.variables.find(name) == nullptr) {
      TRILBY_CHECK(event.tell(name, member.value().text()));
    }
  }
  return {};
}

/// Whether it has what every CloudEvent in JSON has.
bool is_cloud_event(const JsonValue& value) {
  bool has_id = false;
  bool has_version = false;
  for (JsonCursor member(value); value.kind() == Kind::Object && member.next();) {
    has_id = has_id || member.key() == "id";
    has_version = has_version || member.key() == "specversion";
  }
  return has_id && has_version;
}

Result<Event> read_binary_event(const Fields& fields, std::string body) {
  Event event;
  event.data = std::move(body);
  for (const Field& field : fields) {
    const std::string name = ascii_lower(field.name);
    if (name.starts_with("ce_") || name.starts_with("ce-")) {
      TRILBY_CHECK(tell_attribute(event, std::string_view(name).substr(3), field.value));
    }
  }
  return event;
}

Result<BulkEntry> read_entry(const JsonValue& entry) {
  TRILBY_CHECK(expect_object(entry, "an entry"));
  std::optional<JsonValue> id;
  std::optional<JsonValue> event;
  std::optional<JsonValue> type;
  for (JsonCursor member(entry); member.next();) {
    const std::string name = member.key();
    auto* const place = name == "entryId" ? &id : name == "event" ? &event : name == "contentType" ? &type : nullptr;
    if (place != nullptr) {
      TRILBY_CHECK(take_once(*place, member.value(), name));
    }
  }
  if (!id || id->kind() != Kind::Text || !event) {
    return fail(Reason::BadRequest, "an entry lacks its \"entryId\" or its \"event\"");
  }
  return BulkEntry{id->text(), *event, type ? type->text() : std::string()};
}

}  // namespace

Result<void> tell_attribute(Event& event, std::string_view name, const std::optional<std::string>& value) {
  if (!value || !is_attribute_name(name)) {
    return {};
  }
  if (name == "datacontenttype") {
    event.content_type = *value;
  }
  return event.tell(std::string(kAttributePrefix) + variable_suffix(name), *value);
}

Result<Event> read_cloud_event(const JsonValue& envelope) {
  TRILBY_CHECK(expect_object(envelope, "the event"));
  Event event;
  std::optional<JsonValue> data;
  std::optional<JsonValue> base64;
  for (JsonCursor member(envelope); member.next();) {
    const std::string name = member.key();
    if (name == "data") {
      TRILBY_CHECK(take_once(data, member.value(), name));
    } else if (name == "data_base64") {
      TRILBY_CHECK(take_once(base64, member.value(), name));
    } else {
      TRILBY_CHECK(tell_attribute(event, name, attribute_text(member.value())));
    }
  }
  if (data && base64) {
    return fail(Reason::BadRequest, "the event has both \"data\" and \"data_base64\"");
  }
  if (base64) {
    TRILBY_ASSIGN(event.data, base64_data(*base64));
  } else if (data) {
    const bool is_plain_text = data->kind() == Kind::Text && !is_json(event.content_type);
    event.data = is_plain_text ? data->text() : std::string(data->raw());
  }
  return event;
}

Result<Event> read_delivered_event(const Fields& fields, std::string body) {
  const auto envelope = parse_json(body);
  const bool has_attributes = fields.find("ce_id") != nullptr || fields.find("ce-id") != nullptr;
  if (has_attributes && (!envelope || !is_cloud_event(*envelope))) {
    return read_binary_event(fields, std::move(body));
  }
  return envelope ? read_cloud_event(*envelope) : Result<Event>(fail(envelope.error()));
}

Result<std::vector<BulkEntry>> read_bulk(const JsonValue& envelope) {
  TRILBY_CHECK(expect_object(envelope, "the envelope"));
  std::optional<JsonValue> list;
  for (JsonCursor member(envelope); member.next();) {
    if (const std::string name = member.key(); name == "entries") {
      TRILBY_CHECK(take_once(list, member.value(), name));
    }
  }
  if (!list || list->kind() != Kind::List) {
    return fail(Reason::BadRequest, "the envelope has no list of entries");
  }
  std::vector<BulkEntry> entries;
  for (JsonCursor item(*list); item.next();) {
    if (entries.size() == kMaxBulkEntries) {
      return fail(Reason::BadRequest, "the envelope has more than {} entries", kMaxBulkEntries);
    }
    TRILBY_ASSIGN(BulkEntry entry, read_entry(item.value()));
    entries.push_back(std::move(entry));
  }
  return entries;
}

Result<Event> read_bulk_entry(const BulkEntry& entry) {
  if (entry.event.kind() != Kind::Text) {
    return read_cloud_event(entry.event);
  }
  Event event;
  TRILBY_ASSIGN(event.data, base64_data(entry.event));
  if (!entry.content_type.empty()) {
    TRILBY_CHECK(tell_attribute(event, "datacontenttype", entry.content_type));
  }
  return event;
}

Result<Event> read_configuration_event(const EventTrigger& trigger, std::string_view path, std::string_view text) {
  TRILBY_ASSIGN(const JsonValue change, parse_json(text));
  return read_configuration_change(change, configuration_key(trigger, path));
}

Result<Event> read_configuration_change(const JsonValue& change, std::string_view key) {
  TRILBY_CHECK(expect_object(change, "the change"));
  std::optional<JsonValue> items;
  for (JsonCursor member(change); member.next();) {
    if (const std::string name = member.key(); name == "items") {
      TRILBY_CHECK(take_once(items, member.value(), name));
    }
  }
  if (!items || items->kind() != Kind::Object) {
    return fail(Reason::BadRequest, "the change has no items");
  }
  std::optional<JsonValue> item;
  for (JsonCursor member(*items); member.next();) {
    if (const std::string name = member.key(); name == key) {
      TRILBY_CHECK(take_once(item, member.value(), name));
    }
  }
  Event event;
  if (!item) {
    return event;
  }
  TRILBY_CHECK(expect_object(*item, "the item"));
  for (JsonCursor member(*item); member.next();) {
    const std::string name = member.key();
    if (name == "value") {
      event.data = member.value().text();
    } else if (name == "version" && member.value().kind() == Kind::Text) {
      TRILBY_CHECK(event.tell("DAPR_CONFIGURATION_VERSION", member.value().text()));
    } else if (name == "metadata") {
      TRILBY_CHECK(tell_metadata(event, member.value()));
    }
  }
  return event;
}

}  // namespace trilby::triggers
