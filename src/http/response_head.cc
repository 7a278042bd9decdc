#include "http/response_head.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "http/characters.h"
#include "http/field_kind.h"

namespace trilby::http {
namespace {

std::string_view phrase(int status) {
  static constexpr std::pair<int, std::string_view> kPhrases[] = {
      {200, "OK"},
      {201, "Created"},
      {202, "Accepted"},
      {204, "No Content"},
      {206, "Partial Content"},
      {301, "Moved Permanently"},
      {302, "Found"},
      {303, "See Other"},
      {304, "Not Modified"},
      {307, "Temporary Redirect"},
      {308, "Permanent Redirect"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {406, "Not Acceptable"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {411, "Length Required"},
      {412, "Precondition Failed"},
      {413, "Content Too Large"},
      {414, "URI Too Long"},
      {415, "Unsupported Media Type"},
      {416, "Range Not Satisfiable"},
      {417, "Expectation Failed"},
      {422, "Unprocessable Content"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
  };
  const auto* const found = std::find_if(std::begin(kPhrases), std::end(kPhrases),
                                         [status](const auto& known) { return known.first == status; });
  return found == std::end(kPhrases) ? std::string_view() : found->second;  // may be empty: RFC 9112 section 4
}

bool is_servers_own(std::string_view name) {
  const FieldKind kind = kind_of(name);
  return (kind != FieldKind::Plain && kind != FieldKind::Host && kind != FieldKind::Expect) ||
         equal_ignoring_case(name, "date");
}

char* put(char* at, std::string_view text) {
  return std::copy(text.begin(), text.end(), at);
}

// Status line, our own fields and the empty line; the date apart.
constexpr std::size_t kOwnBytes = 256;

}  // namespace

BodyFraming frame_body(int status, const BodySource* body, bool to_head, BodyFraming::Kind unknown) {
  BodyFraming framing;
  framing.length = body != nullptr ? body->length() : 0;
  if (to_head || status == 304) {
    // What GET would have got, when that is known.
    framing.length = body != nullptr ? framing.length : std::nullopt;
  } else if (status == 204) {
    framing.length = std::nullopt;
  } else {
    framing.kind = framing.length ? BodyFraming::Kind::Length : unknown;
  }
  return framing;
}

bool may_be_sent(const Field& field) {
  return !field.name.empty() && consists_of(field.name, kToken) && consists_of(field.value, kValue) &&
         !is_servers_own(field.name);
}

std::string_view DateCache::at(std::time_t now) {
  if (now != formatted_) {
    std::tm parts{};
    gmtime_r(&now, &parts);
    static constexpr std::string_view kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    fmt::format_to_n(text_.data(), text_.size() - 1, "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[parts.tm_wday],
                     parts.tm_mday, kMonths[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour, parts.tm_min,
                     parts.tm_sec);
    formatted_ = now;
  }
  return {text_.data(), text_.size() - 1};
}

void append_response_head(std::string& out, int status, const Fields& fields, const BodyFraming& framing,
                          std::string_view date, bool close) {
  std::size_t bound = kOwnBytes + date.size();
  for (const Field& field : fields) {
    bound += field.name.size() + field.value.size() + 4;
  }
  const std::size_t begin = out.size();
  out.resize(begin + bound);
  char* at = out.data() + begin;
  const auto number = fmt::format_int(status);
  at = put(put(put(put(put(at, "HTTP/1.1 "), {number.data(), number.size()}), " "), phrase(status)), "\r\n");
  for (const Field& field : fields) {
    if (may_be_sent(field)) {
      at = put(put(put(put(at, field.name), ": "), field.value), "\r\n");
    }
  }
  at = put(put(put(at, "date: "), date), "\r\n");
  if (framing.kind == BodyFraming::Kind::Chunked) {
    at = put(at, "transfer-encoding: chunked\r\n");
  } else if (framing.length) {
    const auto length = fmt::format_int(*framing.length);
    at = put(put(put(at, "content-length: "), {length.data(), length.size()}), "\r\n");
  }
  at = put(at, close ? "connection: close\r\n\r\n" : "\r\n");
  out.resize(static_cast<std::size_t>(at - out.data()));
}

}  // namespace trilby::http
