// What whoever may publish can have a sidecar bring: JSON of any kind, CloudEvents alone and in bulk, configuration.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/base64.h"
#include "base/json_reader.h"
#include "base/text.h"
#include "policy/environment.h"
#include "triggers/cloud_event.h"

namespace {

using trilby::JsonCursor;
using trilby::JsonValue;
using Kind = JsonValue::Kind;

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

/// What was checked as a whole holds for each part.
void check_parts(const JsonValue& value, std::size_t depth) {
  if (value.kind() == Kind::Text) {
    require(trilby::is_utf8(value.text()));
  }
  std::size_t members = 0;
  for (JsonCursor cursor(value); cursor.next(); ++members) {
    require(value.kind() == Kind::Object || value.kind() == Kind::List);
    require(trilby::is_utf8(cursor.key()));
    require(value.raw().find(cursor.value().raw()) != std::string_view::npos);
    const auto again = trilby::parse_json(cursor.value().raw());
    require(again && again->raw() == cursor.value().raw());
    if (depth < 4) {
      check_parts(cursor.value(), depth + 1);
    }
    if (members > 64) {
      break;  // each is read again for each level: not without end
    }
  }
}

void check_event(const trilby::Result<trilby::triggers::Event>& event) {
  if (!event) {
    require(event.error().reason == trilby::Reason::BadRequest || event.error().reason == trilby::Reason::HeadTooLarge);
    return;
  }
  trilby::policy::Environment environment;
  for (const trilby::Field& variable : event->variables) {
    require(trilby::policy::is_variable_name(variable.name) && event->variables.count(variable.name) == 1);
    require(environment.add(variable.name, variable.value).has_value());
  }
}

void check_binary(const std::string& text) {
  trilby::Fields fields;
  for (std::size_t at = 0; at < text.size() && fields.size() < 100;) {  // as many as a head has
    const std::size_t end = std::min(text.find('\n', at), text.size());
    fields.add("ce_" + text.substr(at, (end - at) / 2), text.substr(at + (end - at) / 2, end - at));
    at = end + 1;
  }
  check_event(trilby::triggers::read_delivered_event(fields, text));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  (void)trilby::decode_base64(text);
  check_binary(text);
  const auto value = trilby::parse_json(text);
  if (!value) {
    require(value.error().reason == trilby::Reason::BadRequest);
    return 0;
  }
  require(trilby::is_utf8(text));
  check_parts(*value, 0);
  check_event(trilby::triggers::read_cloud_event(*value));
  check_event(trilby::triggers::read_configuration_change(*value, "a"));
  if (const auto entries = trilby::triggers::read_bulk(*value)) {
    for (const auto& entry : *entries) {
      check_event(trilby::triggers::read_bulk_entry(entry));
    }
  }
  return 0;
}
