#include "triggers/cors.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/text.h"

namespace trilby::triggers {
namespace {

constexpr const char* kExposed = "trilby-reason, x-request-id";
constexpr const char* kMaxAge = "600";  // seconds; browsers cap it at some hours
constexpr std::size_t kMaxRequestedHeaders = 1024;

bool is_token_char(char c) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";  // RFC 9110 section 5.6.2
  return is_letter_or_digit(c) || kOthers.find(c) != std::string_view::npos;
}

/// Safe to be sent back: field names, commas and blanks.
bool is_header_list(std::string_view text) {
  return text.size() <= kMaxRequestedHeaders &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_token_char(c) || c == ',' || c == ' '; });
}

/// Browsers ask for the method in its own case, and compare the answer with case.
bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

}  // namespace

bool allows_origin(const Route& route, const Fields& fields) {
  const std::string* origin = fields.find("origin");
  return !route.cors.empty() && (route.cors == "*" || (origin != nullptr && *origin == route.cors));
}

void add_cors(const Route& route, bool allowed, Fields& answer) {
  if (route.cors.empty()) {
    return;
  }
  if (route.cors != "*") {
    answer.add("vary", "origin");
  }
  if (allowed) {
    answer.set("access-control-allow-origin", route.cors);
    answer.set("access-control-expose-headers", kExposed);
  }
}

std::optional<Outcome> answer_preflight(const RouteTable& table, const Call& call) {
  if (call.method != "OPTIONS" || call.fields.find("origin") == nullptr) {
    return std::nullopt;
  }
  const std::string* method = call.fields.find("access-control-request-method");
  if (method == nullptr || !is_token(*method)) {
    return std::nullopt;
  }
  // The headers of the request to come are not there yet, so a route that asks for some is taken to match.
  const Route* first = nullptr;
  MethodList methods;
  for (const Route& route : table.routes()) {
    if (route.cors.empty() || !matches_path(route, call.path)) {
      continue;
    }
    if (first == nullptr && matches_method(route, *method)) {
      first = &route;
    }
    for (const std::string_view known : methods_of(route)) {
      methods.add(known == "*" ? std::string_view(*method) : known);
    }
  }
  if (first == nullptr) {
    return std::nullopt;
  }
  Outcome outcome;
  outcome.reason = Reason::Ok;
  outcome.status = 204;
  outcome.body = make_body({});
  const bool allowed = allows_origin(*first, call.fields);
  add_cors(*first, allowed, outcome.fields);
  if (allowed) {
    outcome.fields.add("access-control-allow-methods", methods.text());
    outcome.fields.add("access-control-max-age", kMaxAge);
    if (const std::string* headers = call.fields.find("access-control-request-headers");
        headers != nullptr && is_header_list(*headers)) {
      outcome.fields.add("access-control-allow-headers", *headers);
    }
  }
  outcome.fields.add("vary", "access-control-request-method, access-control-request-headers");
  return outcome;
}

}  // namespace trilby::triggers
