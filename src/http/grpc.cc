#include "http/grpc.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"

namespace trilby::http {
namespace {

constexpr std::string_view kType = "application/grpc";
constexpr std::size_t kMaxTimeoutDigits = 8;
constexpr std::size_t kMaxMessage = 1024;

bool is_printable(char c) {
  return c >= 0x20 && c <= 0x7E;
}

/// As the protocol has it for `grpc-message`.
std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_printable(c) && c != '%') {
      out += c;
    } else {
      fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

/// Whether gRPC's metadata can say it. (Binary metadata, "-bin", would have to be in base64.)
bool is_metadata(const Field& field) {
  const std::string name = ascii_lower(field.name);
  return !name.starts_with("grpc-") && !name.ends_with("-bin") && name != "content-type" &&
         std::all_of(name.begin(), name.end(),
                     [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
                     }) &&
         std::all_of(field.value.begin(), field.value.end(), is_printable);
}

Response begin(Fields metadata) {
  Response response;
  response.status = 200;
  metadata.remove_if([](const Field& field) { return !is_metadata(field); });
  response.fields = std::move(metadata);
  response.fields.add("content-type", std::string(kType));
  return response;
}

std::string status_text(GrpcStatus status) {
  return std::to_string(static_cast<unsigned>(status));
}

}  // namespace

GrpcStatus grpc_status(int http_status) {
  if (http_status < 400) {
    return GrpcStatus::Ok;
  }
  switch (http_status) {
    case 400:
    case 415:
    case 422:
      return GrpcStatus::InvalidArgument;
    case 401:
      return GrpcStatus::Unauthenticated;
    case 403:
      return GrpcStatus::PermissionDenied;
    case 404:
    case 410:
      return GrpcStatus::NotFound;
    case 405:
    case 501:
      return GrpcStatus::Unimplemented;
    case 408:
    case 504:
      return GrpcStatus::DeadlineExceeded;
    case 409:
      return GrpcStatus::Aborted;
    case 413:
    case 429:
    case 431:
      return GrpcStatus::ResourceExhausted;
    case 416:
      return GrpcStatus::OutOfRange;
    case 499:
      return GrpcStatus::Cancelled;
    case 500:
      return GrpcStatus::Internal;
    case 502:
    case 503:
      return GrpcStatus::Unavailable;
    default:
      return http_status < 500 ? GrpcStatus::FailedPrecondition : GrpcStatus::Unknown;
  }
}

bool is_grpc(const Fields& fields) {
  const std::string* type = fields.find("content-type");
  if (type == nullptr || fields.count("content-type") != 1) {
    return false;
  }
  const std::string text = ascii_lower(type->substr(0, type->find(';')));
  return text == kType || text == "application/grpc+proto";
}

Result<Duration> grpc_timeout(const Fields& fields) {
  constexpr std::string_view kField = "grpc-timeout";
  const std::string* text = fields.find(kField);
  if (text == nullptr) {
    return Duration::max();
  }
  std::uint64_t count = 0;
  const std::size_t digits = text->empty() ? 0 : text->size() - 1;
  const auto [end, error] = std::from_chars(text->data(), text->data() + digits, count);
  if (fields.count(kField) != 1 || digits == 0 || digits > kMaxTimeoutDigits || error != std::errc() ||
      end != text->data() + digits) {
    return fail(Reason::BadRequest, "{} is one number of up to {} digits and a unit, as in 250m", kField,
                kMaxTimeoutDigits);
  }
  switch (text->back()) {
    case 'H':
      // As many as there may be do not fit into nanoseconds; nobody waits for ten years.
      return Duration(std::chrono::hours(std::min<std::uint64_t>(count, 87'600)));
    case 'M':
      return Duration(std::chrono::minutes(count));
    case 'S':
      return Duration(std::chrono::seconds(count));
    case 'm':
      return Duration(std::chrono::milliseconds(count));
    case 'u':
      return Duration(std::chrono::microseconds(count));
    case 'n':
      return Duration(std::chrono::nanoseconds(count));
    default:
      return fail(Reason::BadRequest, "{} has no unit of H, M, S, m, u and n", kField);
  }
}

bool is_identity(const Fields& fields) {
  const std::string* encoding = fields.find("grpc-encoding");
  return encoding == nullptr || (*encoding == "identity" && fields.count("grpc-encoding") == 1);
}

std::string grpc_prefix(std::uint32_t length) {
  std::string prefix(1, '\0');
  for (const unsigned shift : {24U, 16U, 8U, 0U}) {
    prefix += static_cast<char>((length >> shift) & 0xFFU);
  }
  return prefix;
}

tl::expected<std::string_view, std::string_view> only_grpc_message(std::string_view body) {
  using namespace std::string_view_literals;
  if (body.empty()) {
    return tl::unexpected("the request has no message"sv);
  }
  if (body.size() < kGrpcPrefix) {
    return tl::unexpected("the request ends in the middle of a message's prefix"sv);
  }
  if (body[0] != 0) {
    return tl::unexpected("the message is marked as compressed, and the request names no compression"sv);
  }
  std::uint64_t length = 0;
  for (std::size_t i = 1; i < kGrpcPrefix; ++i) {
    length = (length << 8U) | static_cast<std::uint8_t>(body[i]);
  }
  body.remove_prefix(kGrpcPrefix);
  if (body.size() < length) {
    return tl::unexpected("the request ends in the middle of a message"sv);
  }
  if (body.size() > length) {
    return tl::unexpected("the request has more than one message"sv);
  }
  return body;
}

Response grpc_answer(std::unique_ptr<BodySource> body, Fields metadata) {
  Response response = begin(std::move(metadata));
  response.body = std::move(body);
  response.trailers = [] { return Fields{{"grpc-status", status_text(GrpcStatus::Ok)}}; };
  return response;
}

Response grpc_error(GrpcStatus status, std::string_view message, Fields metadata) {
  Response response = begin(std::move(metadata));
  response.fields.add("grpc-status", status_text(status));
  response.fields.add("grpc-message", percent_encode(printable_line(message, kMaxMessage)));
  return response;
}

Response refuse_grpc_encoding(Fields metadata) {
  Response response =
      grpc_error(GrpcStatus::Unimplemented, "only uncompressed messages are taken", std::move(metadata));
  response.fields.add("grpc-accept-encoding", "identity");
  return response;
}

}  // namespace trilby::http
