#include "host/dapr_arguments.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/json.h"
#include "base/json_reader.h"
#include "base/text.h"

namespace trilby::host {
namespace {

constexpr std::size_t kMaxQuery = 1024;
constexpr std::size_t kMaxType = 128;
constexpr std::size_t kMaxText = policy::kMaxDaprRest + 1 + kMaxQuery;

std::optional<std::string_view> short_text(const wasm::GuestMemory& memory, Span span) {
  return span.length > kMaxText ? std::nullopt : memory.text(span.at, span.length);
}

/// RFC 3986 section 3.4, with '%' as it is: nobody decodes it on the way.
bool is_query(std::string_view text) {
  return text.size() <= kMaxQuery && std::all_of(text.begin(), text.end(), [](char c) {
           return is_letter_or_digit(c) || std::string_view("-._~!$&'()*+,;=:@/?%").find(c) != std::string_view::npos;
         });
}

struct Operation {
  std::string key;
  std::optional<JsonValue> value;  // nothing: it deletes
};

/// \return nothing when it is not exactly what it has to be
std::optional<Operation> read_operation(const JsonValue& one) {
  std::optional<std::string> what;
  std::optional<std::string> key;
  std::optional<JsonValue> value;
  std::optional<JsonValue> request;
  if (one.kind() != JsonValue::Kind::Object) {
    return std::nullopt;
  }
  for (JsonCursor member(one); member.next();) {
    const std::string name = member.key();
    if (name == "operation" && !what && member.value().kind() == JsonValue::Kind::Text) {
      what = member.value().text();
    } else if (name == "request" && !request && member.value().kind() == JsonValue::Kind::Object) {
      request = member.value();
    } else {
      return std::nullopt;
    }
  }
  if (!what || !request) {
    return std::nullopt;
  }
  for (JsonCursor member(*request); member.next();) {
    const std::string name = member.key();
    if (name == "key" && !key && member.value().kind() == JsonValue::Kind::Text) {
      key = member.value().text();
    } else if (name == "value" && !value) {
      value = member.value();
    } else {
      return std::nullopt;
    }
  }
  const bool fits = value ? *what == "upsert" : *what == "delete";
  return fits && key && policy::is_dapr_key(*key) ? std::optional(Operation{std::move(*key), value}) : std::nullopt;
}

}  // namespace

std::string DaprAddress::text() const {
  std::string text(name);
  text += '/';
  text += rest;
  return text;
}

std::optional<DaprAddress> decode_address(const wasm::GuestMemory& memory, Span name, Span rest, DaprRest kind) {
  const auto first = short_text(memory, name);
  const auto second = short_text(memory, rest);
  return first && second && policy::is_dapr_name(*first) && policy::is_dapr_rest(*second, kind)
             ? std::optional(DaprAddress{*first, *second})
             : std::nullopt;
}

std::optional<std::string_view> decode_key(const wasm::GuestMemory& memory, Span key) {
  const auto text = short_text(memory, key);
  return text && policy::is_dapr_key(*text) ? text : std::nullopt;
}

std::optional<DaprMethod> decode_method(const wasm::GuestMemory& memory, Span app, Span method, Span verb) {
  static constexpr std::array<std::string_view, 5> kVerbs = {"GET", "POST", "PUT", "PATCH", "DELETE"};
  const auto name = short_text(memory, app);
  const auto text = short_text(memory, method);
  const auto said = short_text(memory, verb);
  if (!name || !text || !said || std::find(kVerbs.begin(), kVerbs.end(), *said) == kVerbs.end()) {
    return std::nullopt;
  }
  const std::size_t mark = std::min(text->find('?'), text->size());
  const std::string_view path = text->substr(0, mark);
  const std::string_view query = text->substr(std::min(mark + 1, text->size()));
  if (!policy::is_dapr_name(*name) || !policy::is_dapr_path(path) || !is_query(query)) {
    return std::nullopt;
  }
  return DaprMethod{{*name, path}, query, *said};
}

std::optional<std::string_view> decode_content_type(const wasm::GuestMemory& memory, Span type) {
  const auto text = short_text(memory, type);
  const bool is_visible = text && std::all_of(text->begin(), text->end(), [](char c) { return c >= ' ' && c <= '~'; });
  if (!is_visible || text->size() > kMaxType || text->starts_with(' ') || text->ends_with(' ')) {
    return std::nullopt;
  }
  return text->empty() ? "application/octet-stream" : *text;
}

std::optional<std::string> checked_operations(std::string_view text) {
  const auto list = parse_json(text);
  if (!list || list->kind() != JsonValue::Kind::List) {
    return std::nullopt;
  }
  std::string out;
  JsonWriter json(out);
  json.open_array();
  std::set<std::string> keys;
  for (JsonCursor one(*list); one.next();) {
    auto operation = read_operation(one.value());
    if (!operation || keys.size() == kMaxActorOperations || !keys.insert(operation->key).second) {
      return std::nullopt;
    }
    json.open_object().member("operation", operation->value ? "upsert" : "delete");
    json.key("request").open_object().member("key", operation->key);
    if (operation->value) {
      json.key("value");
      out += operation->value->raw();
    }
    json.close_object().close_object();
  }
  json.close_array();
  return keys.empty() ? std::nullopt : std::optional(std::move(out));
}

std::optional<std::string> checked_recurrence(std::string_view text) {
  const auto document = parse_json(text);
  if (!document || document->kind() != JsonValue::Kind::Object) {
    return std::nullopt;
  }
  static constexpr std::array<std::string_view, 3> kTexts = {"dueTime", "period", "ttl"};
  std::string out = "{";
  std::set<std::string> known;
  for (JsonCursor member(*document); member.next();) {
    const std::string key = member.key();
    const bool is_text = std::find(kTexts.begin(), kTexts.end(), key) != kTexts.end();
    if (!known.insert(key).second || (!is_text && key != "data") ||
        (is_text && member.value().kind() != JsonValue::Kind::Text)) {
      return std::nullopt;
    }
    out += known.size() > 1 ? "," : "";
    append_json_string(out, key);
    out += ':';
    out += member.value().raw();
  }
  return out + '}';
}

}  // namespace trilby::host
