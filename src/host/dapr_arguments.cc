#include "host/dapr_arguments.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <set>
#include <span>
#include <utility>

#include "base/json.h"
#include "base/json_reader.h"
#include "base/number.h"
#include "base/text.h"
#include "policy/job_schedule.h"

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

/// Appends a value as it is to be sent. \return false when it is not what it has to be
using Append = bool (*)(std::string& out, const JsonValue& value);
struct Member {
  std::string_view name;
  Append append;
};

bool append_any(std::string& out, const JsonValue& value) {
  out += value.raw();
  return true;
}
bool append_text(std::string& out, const JsonValue& value) {
  return value.kind() == JsonValue::Kind::Text && value.raw().size() <= kMaxText && append_any(out, value);
}

bool append_schedule(std::string& out, const JsonValue& value) {
  return value.kind() == JsonValue::Kind::Text && policy::schedule_defect(value.text()).empty() &&
         append_text(out, value);
}
bool append_flag(std::string& out, const JsonValue& value) {
  return value.kind() == JsonValue::Kind::Flag && append_any(out, value);
}
/// A whole number of 32 bits.
bool append_count(std::string& out, const JsonValue& value) {
  return parse_number<std::uint32_t>(value.raw()) && append_any(out, value);
}
/// An object that has some of the members that are known, each once, and no others.
bool append_object(std::string& out, const JsonValue& object, std::span<const Member> known) {
  if (object.kind() != JsonValue::Kind::Object) {
    return false;
  }
  out += '{';
  std::set<std::string> seen;
  for (JsonCursor member(object); member.next();) {
    const std::string key = member.key();
    const auto found = std::find_if(known.begin(), known.end(), [&](const Member& one) { return one.name == key; });
    if (found == known.end() || !seen.insert(key).second) {
      return false;
    }
    out += seen.size() > 1 ? "," : "";
    append_json_string(out, key);
    out += ':';
    if (!found->append(out, member.value())) {
      return false;
    }
  }
  out += '}';
  return true;
}

/// A key, written anew.
bool append_key(std::string& out, const JsonValue& value) {
  const std::string key = value.kind() == JsonValue::Kind::Text ? value.text() : std::string();
  append_json_string(out, key);
  return policy::is_dapr_key(key);
}
bool append_etag(std::string& out, const JsonValue& value) {
  return value.kind() == JsonValue::Kind::Text && !value.text().empty() && append_text(out, value);
}
/// {"ttlInSeconds":"60"}, as a text, for so are all metadata of Dapr's; "-1": for ever.
bool append_metadata(std::string& out, const JsonValue& value) {
  static constexpr std::array<Member, 1> kMembers = {
      {{"ttlInSeconds", [](std::string& to, const JsonValue& ttl) {
          const std::string text = ttl.kind() == JsonValue::Kind::Text ? ttl.text() : std::string();
          append_json_string(to, text);
          return parse_number<std::int32_t>(text).value_or(0) > 0 || text == "-1";
        }}}};
  return append_object(out, value, kMembers);
}
/// One of two texts.
bool append_choice(std::string& out, const JsonValue& value, std::string_view one, std::string_view other) {
  const std::string text = value.kind() == JsonValue::Kind::Text ? value.text() : std::string();
  append_json_string(out, text);
  return text == one || text == other;
}
/// {"concurrency":"first-write","consistency":"strong"}, or the others.
bool append_options(std::string& out, const JsonValue& value) {
  static constexpr std::array<Member, 2> kMembers = {
      {{"concurrency",
        [](std::string& to, const JsonValue& given) { return append_choice(to, given, "first-write", "last-write"); }},
       {"consistency",
        [](std::string& to, const JsonValue& given) { return append_choice(to, given, "eventual", "strong"); }}}};
  return append_object(out, value, kMembers);
}

/// How many members of an object have one of these names.
std::size_t count_of(const JsonValue& object, std::initializer_list<std::string_view> names) {
  std::size_t count = 0;
  for (JsonCursor member(object); member.next();) {
    count += std::find(names.begin(), names.end(), member.key()) != names.end() ? 1 : 0;
  }
  return count;
}

/// {"drop":{}} or {"constant":{"interval":"5s","maxRetries":3}}: one of the two.
bool append_failure_policy(std::string& out, const JsonValue& value) {
  static constexpr std::array<Member, 2> kConstant = {{{"interval", append_text}, {"maxRetries", append_count}}};
  static constexpr std::array<Member, 2> kPolicies = {
      {{"drop", [](std::string& to, const JsonValue& drop) { return append_object(to, drop, {}); }},
       {"constant",
        [](std::string& to, const JsonValue& constant) { return append_object(to, constant, kConstant); }}}};
  return append_object(out, value, kPolicies) && count_of(value, {"drop", "constant"}) == 1;
}

/// What an operation of a transaction may have, for one that saves and one that deletes.
struct Operations {
  std::span<const Member> upsert;
  std::span<const Member> deletion;
};

/// Whether what becomes of a request, which is checked, depends on the state (KeyedText::compared).
bool is_compared(const JsonValue& request) {
  const auto options = find_member(request, "options");
  const auto concurrency = options ? find_member(*options, "concurrency") : std::nullopt;
  return count_of(request, {"etag"}) != 0 || (concurrency && concurrency->text() == "first-write");
}

struct Operation {
  std::string key;
  bool is_compared = false;
};

/// Appends {"operation":"upsert","request":{...}}. \return nothing when it is not what it has to be
std::optional<Operation> append_operation(std::string& out, const JsonValue& one, const Operations& known) {
  std::optional<std::string> what;
  std::optional<JsonValue> request;
  if (one.kind() != JsonValue::Kind::Object) {
    return std::nullopt;
  }
  for (JsonCursor member(one); member.next();) {
    const std::string name = member.key();
    if (name == "operation" && !what && member.value().kind() == JsonValue::Kind::Text) {
      what = member.value().text();
    } else if (name == "request" && !request) {
      request = member.value();
    } else {
      return std::nullopt;
    }
  }
  const bool is_upsert = what == "upsert";
  if (!request || (!is_upsert && what != "delete")) {
    return std::nullopt;
  }
  out += is_upsert ? R"({"operation":"upsert","request":)" : R"({"operation":"delete","request":)";
  if (!append_object(out, *request, is_upsert ? known.upsert : known.deletion) ||
      count_of(*request, {"value"}) != (is_upsert ? 1U : 0U)) {
    return std::nullopt;
  }
  out += '}';
  const auto key = find_member(*request, "key");
  return key ? std::optional(Operation{key->text(), is_compared(*request)}) : std::nullopt;
}

/// A list of 1 to `most` items, each of another key. \param append  appends an item and says whose it is; nothing when
/// it is not what it has to be
template <typename Append>
std::optional<KeyedText> checked_list(std::string_view text, std::size_t most, const Append& append) {
  const auto list = parse_json(text);
  if (!list || list->kind() != JsonValue::Kind::List) {
    return std::nullopt;
  }
  KeyedText checked{"[", {}};
  std::set<std::string> seen;
  for (JsonCursor one(*list); one.next();) {
    checked.text += seen.empty() ? "" : ",";
    std::optional<Operation> item = append(checked.text, one.value());
    if (!item || seen.size() == most || !seen.insert(item->key).second) {
      return std::nullopt;
    }
    if (item->is_compared) {
      checked.compared.push_back(item->key);
    }
    checked.keys.push_back(std::move(item->key));
  }
  checked.text += ']';
  return seen.empty() ? std::nullopt : std::optional(std::move(checked));
}

std::optional<KeyedText> checked_changes(std::string_view text, const Operations& known) {
  return checked_list(text, kMaxOperations,
                      [&](std::string& out, const JsonValue& one) { return append_operation(out, one, known); });
}

}  // namespace

std::string DaprAddress::text() const {
  std::string text(name);
  if (!rest.empty()) {
    text += '/';
    text += rest;
  }
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
  static constexpr std::array<Member, 2> kUpsert = {{{"key", append_key}, {"value", append_any}}};
  static constexpr std::array<Member, 1> kDelete = {{{"key", append_key}}};
  auto checked = checked_changes(text, {kUpsert, kDelete});
  return checked ? std::optional(std::move(checked->text)) : std::nullopt;
}

std::optional<KeyedText> checked_transaction(std::string_view text) {
  static constexpr std::array<Member, 5> kUpsert = {{{"key", append_key},
                                                     {"value", append_any},
                                                     {"etag", append_etag},
                                                     {"metadata", append_metadata},
                                                     {"options", append_options}}};
  static constexpr std::array<Member, 3> kDelete = {
      {{"key", append_key}, {"etag", append_etag}, {"options", append_options}}};
  return checked_changes(text, {kUpsert, kDelete});
}

std::optional<KeyedText> checked_keys(std::string_view text) {
  return checked_list(text, kMaxKeys, [](std::string& out, const JsonValue& one) {
    return append_key(out, one) ? std::optional(Operation{one.text()}) : std::nullopt;
  });
}

std::optional<std::string> checked_recurrence(std::string_view text) {
  static constexpr std::array<Member, 4> kMembers = {
      {{"dueTime", append_text}, {"period", append_text}, {"ttl", append_text}, {"data", append_any}}};
  const auto document = parse_json(text);
  std::string out;
  return document && append_object(out, *document, kMembers) ? std::optional(std::move(out)) : std::nullopt;
}

std::optional<std::string> checked_job(std::string_view text) {
  static constexpr std::array<Member, 7> kMembers = {{{"schedule", append_schedule},
                                                      {"dueTime", append_text},
                                                      {"repeats", append_count},
                                                      {"ttl", append_text},
                                                      {"data", append_any},
                                                      {"overwrite", append_flag},
                                                      {"failurePolicy", append_failure_policy}}};
  const auto document = parse_json(text);
  std::string out;
  const bool is_job =
      document && append_object(out, *document, kMembers) && count_of(*document, {"schedule", "dueTime"}) != 0;
  if (is_job && count_of(*document, {"data"}) == 0) {
    out.insert(out.size() - 1, R"(,"data":null)");  // one without never comes to an app over HTTP (daprd 1.18.1)
  }
  return is_job ? std::optional(std::move(out)) : std::nullopt;
}

}  // namespace trilby::host
