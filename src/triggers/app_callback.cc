#include "triggers/app_callback.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <optional>
#include <utility>

#include "base/json.h"
#include "base/protobuf.h"
#include "base/text.h"
#include "triggers/cloud_event.h"

namespace trilby::triggers {
namespace {

constexpr std::string_view kValueType = "type.googleapis.com/google.protobuf.Value";
constexpr unsigned kMaxValueDepth = 100;  // as Protocol Buffers' own libraries have it for messages
constexpr std::string_view kBlanks = " \t\n\v\f\r";

/// common.proto's HTTPExtension.Verb
constexpr std::array<std::string_view, 10> kVerbs = {"POST",   "GET",     "HEAD",    "POST",  "PUT",
                                                     "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};

/// Whether a message was walked to its end.
Result<void> whole(const ProtobufCursor& field) {
  if (field.is_malformed()) {
    return fail(Reason::BadRequest, "the message is not what Protocol Buffers have");
  }
  return {};
}

/// Puts what a field holds in its place; leaves that alone when it is of another type.
void take(const ProtobufCursor& field, std::string_view& place) {
  place = field.bytes().value_or(place);
}

/// A double as JSON has it; what JSON has not is nothing.
std::string number_text(double number) {
  std::string text;
  JsonWriter(text).value(number);
  return text;
}

/// A message whose fields 1 and 2 have bytes: the key and value of a map's entry, the type and value of
/// google.protobuf.Any, the name and data of JobEventRequest.
struct Pair {
  std::string_view first;
  std::string_view second;
};
Result<Pair> read_pair(std::string_view message) {
  Pair pair;
  ProtobufCursor field(message);
  while (field.next()) {
    if (field.number() == 1) {
      take(field, pair.first);
    } else if (field.number() == 2) {
      take(field, pair.second);
    }
  }
  TRILBY_CHECK(whole(field));
  return pair;
}

/// google.protobuf.Value as text; nothing for what no attribute may be.
Result<std::optional<std::string>> attribute_text(std::string_view message) {
  std::optional<std::string> text;
  ProtobufCursor field(message);
  while (field.next()) {
    if (field.number() == 2 && field.real()) {
      text = number_text(*field.real());
    } else if (field.number() == 3 && field.bytes()) {
      text = std::string(*field.bytes());
    } else if (field.number() == 4 && field.integer()) {
      text = *field.integer() != 0 ? "true" : "false";
    }
  }
  TRILBY_CHECK(whole(field));
  return text;
}

/// Attributes are texts, which events have in UTF-8.
Result<void> tell_text(Event& event, std::string_view name, std::string_view value) {
  if (!is_utf8(value)) {
    return fail(Reason::BadRequest, "the attribute {} is not UTF-8", name);
  }
  return value.empty() ? Result<void>() : tell_attribute(event, name, std::string(value));
}

/// google.protobuf.Struct with all attributes that have no field of their own. What is told already is not told again.
Result<void> tell_extensions(Event& event, std::string_view message) {
  ProtobufCursor field(message);
  while (field.next()) {
    if (field.number() != 1 || !field.bytes()) {
      continue;
    }
    TRILBY_ASSIGN(const Pair entry, read_pair(*field.bytes()));
    TRILBY_ASSIGN(const std::optional<std::string> value, attribute_text(entry.second));
    if (value && !is_utf8(*value)) {
      return fail(Reason::BadRequest, "an attribute is not UTF-8");
    }
    if (event.variables.find("CE_" + variable_suffix(entry.first)) == nullptr) {
      TRILBY_CHECK(tell_attribute(event, entry.first, value));
    }
  }
  return whole(field);
}

/// What TopicEventRequest and TopicEventCERequest have in common.
struct CloudEventFields {
  std::string_view id;
  std::string_view source;
  std::string_view type;
  std::string_view spec_version;
  std::string_view content_type;
  std::string_view data;
  std::string_view topic;
  std::string_view pubsub;
  std::string_view extensions;
};

Result<Event> read_event(const CloudEventFields& fields) {
  Event event;
  for (const auto& [name, value] : {std::pair<std::string_view, std::string_view>{"id", fields.id},
                                    {"source", fields.source},
                                    {"type", fields.type},
                                    {"specversion", fields.spec_version},
                                    {"datacontenttype", fields.content_type},
                                    {"topic", fields.topic},
                                    {"pubsubname", fields.pubsub}}) {
    TRILBY_CHECK(tell_text(event, name, value));
  }
  TRILBY_CHECK(tell_extensions(event, fields.extensions));
  event.data = fields.data;
  return event;
}

/// Takes a field that has the same number in both. \return whether it is one
bool take_common(const ProtobufCursor& field, CloudEventFields& fields) {
  switch (field.number()) {
    case 1:
      take(field, fields.id);
      return true;
    case 2:
      take(field, fields.source);
      return true;
    case 3:
      take(field, fields.type);
      return true;
    case 4:
      take(field, fields.spec_version);
      return true;
    case 5:
      take(field, fields.content_type);
      return true;
    default:
      return false;
  }
}

Result<BulkMessage::Entry> read_entry(std::string_view message) {
  BulkMessage::Entry entry;
  ProtobufCursor field(message);
  while (field.next()) {
    switch (field.number()) {
      case 1:
        take(field, entry.id);
        break;
      case 2:
      case 3:
        if (field.bytes()) {  // of these only the last is there
          entry.event = *field.bytes();
          entry.is_raw = field.number() == 2;
        }
        break;
      case 4:
        take(field, entry.content_type);
        break;
      default:
        break;
    }
  }
  TRILBY_CHECK(whole(field));
  return entry;
}

Result<void> tell_metadata(Event& event, std::string_view message) {
  TRILBY_ASSIGN(const Pair entry, read_pair(message));
  const std::string variable = "DAPR_METADATA_" + variable_suffix(entry.first);
  if (event.variables.find(variable) != nullptr) {
    return {};
  }
  if (!is_utf8(entry.second)) {
    return fail(Reason::BadRequest, "the metadata for {} is not UTF-8", variable);
  }
  return event.tell(variable, entry.second);
}

Result<void> write_json(JsonWriter& json, std::string_view message, unsigned depth);

/// google.protobuf.Struct
Result<void> write_object(JsonWriter& json, std::string_view message, unsigned depth) {
  json.open_object();
  ProtobufCursor field(message);
  while (field.next()) {
    if (field.number() == 1 && field.bytes()) {
      TRILBY_ASSIGN(const Pair entry, read_pair(*field.bytes()));
      json.key(entry.first);
      TRILBY_CHECK(write_json(json, entry.second, depth + 1));
    }
  }
  json.close_object();
  return whole(field);
}

/// google.protobuf.ListValue
Result<void> write_list(JsonWriter& json, std::string_view message, unsigned depth) {
  json.open_array();
  ProtobufCursor field(message);
  while (field.next()) {
    if (field.number() == 1 && field.bytes()) {
      TRILBY_CHECK(write_json(json, *field.bytes(), depth + 1));
    }
  }
  json.close_array();
  return whole(field);
}

/// google.protobuf.Value as the JSON that it stands for.
// NOLINTNEXTLINE(misc-no-recursion): bounded by kMaxValueDepth
Result<void> write_json(JsonWriter& json, std::string_view message, unsigned depth) {
  if (depth > kMaxValueDepth) {
    return fail(Reason::BadRequest, "the data is more than {} deep", kMaxValueDepth);
  }
  std::optional<ProtobufCursor> last;  // of its members one is there
  ProtobufCursor field(message);
  while (field.next()) {
    last = field;
  }
  TRILBY_CHECK(whole(field));
  const std::uint32_t number = last ? last->number() : 1;
  if (number == 2 && last->real()) {
    json.value(*last->real());
  } else if (number == 3 && last->bytes()) {
    json.value(*last->bytes());
  } else if (number == 4 && last->integer()) {
    json.value(*last->integer() != 0);
  } else if (number == 5 && last->bytes()) {
    return write_object(json, *last->bytes(), depth);
  } else if (number == 6 && last->bytes()) {
    return write_list(json, *last->bytes(), depth);
  } else {
    json.null();
  }
  return {};
}

Result<Event> read_job_event(std::string_view data) {
  Event event;
  TRILBY_ASSIGN(const Pair any, read_pair(data));
  if (any.first == kValueType) {
    JsonWriter json(event.data);
    TRILBY_CHECK(write_json(json, any.second, 0));
    return event;
  }
  const std::size_t begin = std::min(any.second.find_first_not_of(kBlanks), any.second.size());
  event.data = any.second.substr(begin, any.second.find_last_not_of(kBlanks) + 1 - begin);
  return event;
}

Result<void> read_extension(std::string_view message, InvokeMessage& read) {
  ProtobufCursor field(message);
  while (field.next()) {
    if (field.number() == 1 && field.integer()) {
      if (*field.integer() >= kVerbs.size()) {
        return fail(Reason::BadRequest, "there is no verb {}", *field.integer());
      }
      read.verb = kVerbs.at(static_cast<std::size_t>(*field.integer()));
    } else if (field.number() == 2) {
      take(field, read.query);
    }
  }
  return whole(field);
}

std::uint64_t number_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::Success:
      return 0;
    case Verdict::Retry:
      return 1;
    case Verdict::Drop:
      return 2;
  }
  return 1;
}

std::string routes_message(const std::vector<Subscription::Rule>& rules) {
  std::string out;
  ProtobufWriter routes(out);
  for (const auto& rule : rules) {
    if (!rule.match.empty()) {
      std::string one;
      ProtobufWriter(one).bytes(1, rule.match).bytes(2, rule.path);
      routes.bytes(1, one);
    }
  }
  if (!rules.empty() && rules.back().match.empty()) {
    routes.bytes(2, rules.back().path);
  }
  return out;
}

std::string subscription_message(const Subscription& subscription) {
  std::string out;
  ProtobufWriter message(out);
  message.bytes(1, subscription.pubsub).bytes(2, subscription.topic);
  for (const auto& [name, value] : subscription.metadata) {
    std::string entry;
    ProtobufWriter(entry).bytes(1, name).bytes(2, value);
    message.bytes(3, entry);
  }
  message.bytes(5, routes_message(subscription.rules));
  if (!subscription.dead_letter.empty()) {
    message.bytes(6, subscription.dead_letter);
  }
  if (subscription.bulk) {
    const auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(subscription.bulk->max_wait).count();
    std::string bulk;
    ProtobufWriter(bulk)
        .integer(1, 1)
        .integer(2, subscription.bulk->max_messages)
        .integer(3, static_cast<std::uint64_t>(std::clamp<std::int64_t>(wait, 0, std::numeric_limits<int>::max())));
    message.bytes(7, bulk);
  }
  return out;
}

}  // namespace

Result<TopicMessage> read_topic_message(std::string_view message) {
  std::string_view path;
  CloudEventFields fields;
  ProtobufCursor field(message);
  while (field.next()) {
    if (take_common(field, fields)) {
      continue;
    }
    switch (field.number()) {
      case 6:
        take(field, fields.topic);
        break;
      case 7:
        take(field, fields.data);
        break;
      case 8:
        take(field, fields.pubsub);
        break;
      case 9:
        take(field, path);
        break;
      case 10:
        take(field, fields.extensions);
        break;
      default:
        break;
    }
  }
  TRILBY_CHECK(whole(field));
  return TopicMessage{path, read_event(fields)};
}

Result<BulkMessage> read_bulk_message(std::string_view message) {
  BulkMessage read;
  ProtobufCursor field(message);
  while (field.next()) {
    if (field.number() == 2 && field.bytes()) {
      if (read.entries.size() == kMaxBulkEntries) {
        return fail(Reason::BadRequest, "the message has more than {} entries", kMaxBulkEntries);
      }
      TRILBY_ASSIGN(const BulkMessage::Entry entry, read_entry(*field.bytes()));
      read.entries.push_back(entry);
    } else if (field.number() == 7) {
      take(field, read.path);
    }
  }
  TRILBY_CHECK(whole(field));
  return read;
}

Result<Event> read_bulk_event(const BulkMessage::Entry& entry) {
  CloudEventFields fields;
  if (entry.is_raw) {
    fields.data = entry.event;
    fields.content_type = entry.content_type;
    return read_event(fields);
  }
  ProtobufCursor field(entry.event);
  while (field.next()) {
    if (take_common(field, fields)) {
      continue;
    }
    if (field.number() == 6) {
      take(field, fields.data);
    } else if (field.number() == 7) {
      take(field, fields.extensions);
    }
  }
  TRILBY_CHECK(whole(field));
  return read_event(fields);
}

Result<BindingMessage> read_binding_message(std::string_view message) {
  BindingMessage read{{}, Event()};
  ProtobufCursor field(message);
  while (field.next()) {
    if (field.number() == 1) {
      take(field, read.name);
    } else if (field.number() == 2 && read.event) {
      read.event->data = field.bytes().value_or("");
    } else if (field.number() == 3 && field.bytes() && read.event) {
      if (auto told = tell_metadata(*read.event, *field.bytes()); !told) {
        read.event = fail(std::move(told).error());
      }
    }
  }
  TRILBY_CHECK(whole(field));
  return read;
}

Result<JobMessage> read_job_message(std::string_view message) {
  TRILBY_ASSIGN(const Pair job, read_pair(message));
  return JobMessage{job.first, read_job_event(job.second)};
}

Result<InvokeMessage> read_invoke_message(std::string_view message) {
  InvokeMessage read;
  read.verb = kVerbs[0];
  std::string_view data;
  ProtobufCursor field(message);
  while (field.next()) {
    switch (field.number()) {
      case 1:
        take(field, read.method);
        break;
      case 2:
        take(field, data);
        break;
      case 3:
        take(field, read.content_type);
        break;
      case 4:
        TRILBY_CHECK(read_extension(field.bytes().value_or(""), read));
        break;
      default:
        break;
    }
  }
  TRILBY_CHECK(whole(field));
  TRILBY_ASSIGN(const Pair any, read_pair(data));
  read.data = any.second;
  return read;
}

std::string topic_status_message(Verdict verdict) {
  std::string out;
  ProtobufWriter(out).integer(1, number_of(verdict));
  return out;
}

std::string bulk_statuses_message(const std::vector<BulkMessage::Entry>& entries,
                                  const std::vector<Verdict>& verdicts) {
  std::string out;
  ProtobufWriter message(out);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    std::string status;
    ProtobufWriter(status).bytes(1, entries[i].id).integer(2, number_of(verdicts[i]));
    message.bytes(1, status);
  }
  return out;
}

std::string binding_answer_head(std::uint64_t data_size) {
  std::string head;
  ProtobufWriter(head).begin_bytes(4, data_size);
  return head;
}

std::string invoke_answer_head(std::string_view content_type, std::uint64_t data_size) {
  std::string head;
  ProtobufWriter(head)
      .bytes(2, content_type)
      .begin_bytes(1, ProtobufWriter::bytes_size(2, data_size))
      .begin_bytes(2, data_size);
  return head;
}

std::string subscriptions_message(std::span<const Subscription> subscriptions) {
  std::string out;
  ProtobufWriter message(out);
  for (const Subscription& subscription : subscriptions) {
    message.bytes(1, subscription_message(subscription));
  }
  return out;
}

std::string bindings_message(std::span<const std::string_view> names) {
  std::string out;
  ProtobufWriter message(out);
  for (const std::string_view name : names) {
    message.bytes(1, name);
  }
  return out;
}

}  // namespace trilby::triggers
