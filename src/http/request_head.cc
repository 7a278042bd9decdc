#include "http/request_head.h"

#include <iterator>

#include <fmt/format.h>

#include "http/characters.h"
#include "http/field_kind.h"
#include "http/target.h"

namespace trilby::http {
namespace {

constexpr std::size_t kNamed = 64;  // bytes of a name in a message

bool is_clients_own(std::string_view name) {
  return kind_of(name) != FieldKind::Plain;
}

bool is_target(const std::string& target, const std::string& method) {
  return consists_of(target, kTarget) && (target.starts_with('/') || (target == "*" && method == "OPTIONS"));
}

}  // namespace

BodyFraming request_framing(const Request& request) {
  if (!request.body) {
    const bool usually_has_one = request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
    return {.kind = BodyFraming::Kind::None,
            .length = usually_has_one ? std::optional<std::uint64_t>(0) : std::nullopt};
  }
  const auto length = request.body->length();
  return {.kind = length ? BodyFraming::Kind::Length : BodyFraming::Kind::Chunked, .length = length};
}

Result<std::string> make_request_head(const Request& request, const BodyFraming& framing, const ClientLimits& limits) {
  const std::string address = request.to.text();
  if (request.method.empty() || !consists_of(request.method, kToken) || request.method == "CONNECT") {
    return fail(Reason::BadRequest, "{}: a request has no valid method", address);
  }
  if (!is_target(request.target, request.method)) {
    return fail(Reason::BadRequest, "{}: a request has no valid target", address);
  }
  const std::string& host = request.host.empty() ? address : request.host;
  if (!is_host(host)) {
    return fail(Reason::BadRequest, "{}: a request has no valid host", address);
  }
  std::string head;
  fmt::format_to(std::back_inserter(head), "{} {} HTTP/1.1\r\nhost: {}\r\n", request.method, request.target, host);
  std::size_t count = 1;
  for (const Field& field : request.fields) {
    if (field.name.empty() || !consists_of(field.name, kToken)) {
      return fail(Reason::BadRequest, "{}: a request has a field without a valid name", address);
    }
    if (!consists_of(field.value, kValue)) {
      return fail(Reason::BadRequest, "{}: a request has no valid value for its field {}", address,
                  field.name.substr(0, kNamed));
    }
    if (!is_clients_own(field.name)) {
      head.append(field.name).append(": ").append(field.value).append("\r\n");
      ++count;
    }
  }
  if (framing.kind == BodyFraming::Kind::Chunked) {
    head += "transfer-encoding: chunked\r\n";
  } else if (framing.length) {
    fmt::format_to(std::back_inserter(head), "content-length: {}\r\n", *framing.length);
  }
  head += "\r\n";
  if (head.size() > limits.head.count || count > limits.fields) {
    return fail(Reason::HeadTooLarge, "{}: the head of a request is over its limit of {} and {} fields", address,
                format(limits.head), limits.fields);
  }
  return head;
}

}  // namespace trilby::http
