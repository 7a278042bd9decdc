#include "dapr/sidecar/request.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/base64.h"
#include "base/json.h"
#include "base/json_reader.h"
#include "base/text.h"

namespace trilby::dapr::sidecar {
namespace {

constexpr std::size_t kMostMessage = 300;

bool is_unreserved(char c) {
  return is_letter_or_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

void append_escaped(std::string& out, std::string_view text, bool keep_slashes) {
  for (const char c : text) {
    if (is_unreserved(c) || (keep_slashes && c == '/')) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
}

/// "application/json; charset=utf-8" -> "application/json"
std::string media_type(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ')) {
    type.remove_suffix(1);
  }
  return ascii_lower(type);
}

std::optional<JsonValue> member_of(const Result<JsonValue>& document, std::string_view name) {
  return document ? find_member(*document, name) : std::nullopt;
}

/// The same where it is a text; else empty.
std::string text_of(const Result<JsonValue>& document, std::string_view name) {
  const auto value = member_of(document, name);
  return value && value->kind() == JsonValue::Kind::Text ? value->text() : std::string();
}

}  // namespace

void append_escaped(std::string& out, std::string_view text) {
  append_escaped(out, text, false);
}

void append_escaped_path(std::string& out, std::string_view path) {
  append_escaped(out, path, true);
}

void append_as_json(std::string& out, const Payload& payload) {
  const std::string type = media_type(payload.content_type);
  if (is_json_type(type)) {
    if (const auto value = parse_json(*payload.bytes)) {
      out += value->raw();
      return;
    }
  }
  if (is_json_type(type) || type.starts_with("text/")) {  // what is not the JSON that it says is a text, as Dapr has it
    return append_json_string(out, *payload.bytes);
  }
  out += '"';
  append_base64(out, *payload.bytes);
  out += '"';
}

http::Request make_request(const Settings& settings, std::string method, std::string target,
                           const TraceContext& trace) {
  http::Request request{.to = settings.address, .method = std::move(method), .target = std::move(target)};
  if (!settings.token.empty()) {
    request.fields.set("dapr-api-token", settings.token);
  }
  if (!trace.traceparent.empty()) {
    request.fields.set("traceparent", trace.traceparent);
    if (!trace.tracestate.empty()) {
      request.fields.set("tracestate", trace.tracestate);
    }
  }
  return request;
}

Clock::time_point give_up_at(const Settings& settings, Clock::time_point deadline) {
  return std::min(deadline, Clock::now() + settings.timeout);
}

Error explain(Error error, Clock::time_point deadline) {
  const bool is_slow = error.reason == Reason::LimitWall && Clock::now() < deadline;
  return {is_slow ? Reason::UpstreamFailed : error.reason,
          fmt::format("the sidecar {}{}", error.message, is_slow ? " (sidecar.timeout)" : "")};
}

std::optional<std::string> own_error(int status, std::string_view body) {
  constexpr int kUnauthorized = 401;
  if (status == kUnauthorized && body.starts_with("invalid api token")) {
    return "it refuses the API token: DAPR_API_TOKEN must be what the sidecar was started with";
  }
  const auto document = parse_json(body);
  const std::string code = text_of(document, "errorCode");
  if (!code.starts_with("ERR_") && !code.starts_with("DAPR_")) {
    return std::nullopt;
  }
  return printable_line(fmt::format("{} {}: {}", status, code, text_of(document, "message")), kMostMessage);
}

bool is_etag_conflict(int /*status*/, std::string_view body) {
  const auto document = parse_json(body);
  if (text_of(document, "errorCode") != "ERR_STATE_TRANSACTION") {
    return false;
  }
  // Most components by Dapr's own error; then what Redis' scripts end with.
  const std::string text = text_of(document, "message");
  return text.find("etag mismatch") != std::string::npos || text.find("failed to set key ") != std::string::npos ||
         text.find("failed to delete ") != std::string::npos;
}

bool is_job_conflict(int status, std::string_view body) {
  constexpr int kConflict = 409;
  return status == kConflict && text_of(parse_json(body), "errorCode") == "DAPR_SCHEDULER_SCHEDULE_JOB";
}

bool has_no_such_subscription(int /*status*/, std::string_view body) {
  const auto document = parse_json(body);
  if (const std::string code = text_of(document, "errorCode"); !code.empty()) {
    return code == "ERR_CONFIGURATION_STORE_NOT_FOUND" || code == "ERR_CONFIGURATION_STORE_NOT_CONFIGURED";
  }
  const std::string message = text_of(document, "message");
  return message.find("does not exist") != std::string::npos ||
         message.find("unable to find subscription") != std::string::npos;
}

Result<std::string> states_of(std::string_view document, std::string_view keys) {
  constexpr std::string_view kNone = "the sidecar answers with what is no list of states";
  constexpr std::string_view kOthers = "the sidecar answers with other states than it was asked for";
  const auto list = parse_json(document);
  if (!list || list->kind() != JsonValue::Kind::List) {
    return fail(Reason::UpstreamFailed, "{}", kNone);
  }
  std::set<std::string> missing;
  if (const auto asked = parse_json(keys)) {
    for (JsonCursor one(*asked); one.next();) {
      missing.insert(one.value().text());
    }
  }
  std::string out = "[";
  for (JsonCursor one(*list); one.next();) {
    const auto key = find_member(one.value(), "key");
    if (const auto error = find_member(one.value(), "error")) {
      return fail(Reason::UpstreamFailed, "the sidecar could not read a state: {}",
                  printable_line(error->raw(), kMostMessage));
    }
    if (!key || key->kind() != JsonValue::Kind::Text) {
      return fail(Reason::UpstreamFailed, "{}", kNone);
    }
    if (missing.erase(key->text()) == 0) {
      return fail(Reason::UpstreamFailed, "{}", kOthers);
    }
    out += out.size() > 1 ? R"(,{"key":)" : R"({"key":)";
    append_json_string(out, key->text());
    for (const std::string_view name : {"data", "etag"}) {
      if (const auto value = find_member(one.value(), name)) {
        out += fmt::format(R"(,"{}":{})", name, value->raw());
      }
    }
    out += '}';
  }
  return missing.empty() ? Result<std::string>(out + ']') : fail(Reason::UpstreamFailed, "{}", kOthers);
}

Result<std::optional<std::string>> configuration_value(std::string_view document, std::string_view key) {
  const auto parsed = parse_json(document);
  if (!parsed || parsed->kind() != JsonValue::Kind::Object) {
    return fail(Reason::UpstreamFailed, "the sidecar answers with what is no configuration");
  }
  const auto item = find_member(*parsed, key);
  if (!item) {
    return std::nullopt;
  }
  const auto value = find_member(*item, "value");
  if (!value || value->kind() != JsonValue::Kind::Text) {
    return fail(Reason::UpstreamFailed, "the sidecar answers with what is no configuration");
  }
  return value->text();
}

std::optional<Change> read_lock(std::string_view document) {
  const auto success = member_of(parse_json(document), "success");
  if (!success || success->kind() != JsonValue::Kind::Flag) {
    return std::nullopt;
  }
  return success->raw() == "true" ? Change::Made : Change::Conflict;
}

std::optional<Change> read_unlock(std::string_view document) {
  const auto status = member_of(parse_json(document), "status");
  const std::string_view number = status ? status->raw() : "";
  return number == "0"   ? std::optional(Change::Made)
         : number == "1" ? std::optional(Change::Missing)
         : number == "2" ? std::optional(Change::Conflict)
                         : std::nullopt;
}

}  // namespace trilby::dapr::sidecar
