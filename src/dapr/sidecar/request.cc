#include "dapr/sidecar/request.h"

#include <algorithm>
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
  if (!document || document->kind() != JsonValue::Kind::Object) {
    return std::nullopt;
  }
  std::string code;
  std::string message;
  for (JsonCursor member(*document); member.next();) {
    const std::string key = member.key();
    std::string* const wanted = key == "errorCode" ? &code : key == "message" ? &message : nullptr;
    if (wanted != nullptr && member.value().kind() == JsonValue::Kind::Text) {
      *wanted = member.value().text();
    }
  }
  if (!code.starts_with("ERR_") && !code.starts_with("DAPR_")) {
    return std::nullopt;
  }
  return printable_line(fmt::format("{} {}: {}", status, code, message), kMostMessage);
}

}  // namespace trilby::dapr::sidecar
