#include "invoke/content_type.h"

#include <algorithm>

#include "base/text.h"

namespace trilby::invoke {
namespace {

constexpr std::size_t kLookedAt = 64U << 10U;
constexpr std::string_view kBlank = " \t\r\n";

/// UTF-8 without control characters but tab, line feed and carriage return. A sequence that the cut splits is left out.
bool is_text(std::string_view head, bool cut) {
  for (std::size_t at = 0; at < head.size();) {
    const std::size_t length = utf8_sequence_length(head.substr(at));
    if (length == 0) {
      return cut && head.size() - at < 4;
    }
    const auto first = static_cast<unsigned char>(head[at]);
    if ((first < 0x20 && kBlank.find(head[at]) == std::string_view::npos) || first == 0x7F) {
      return false;
    }
    at += length;
  }
  return true;
}

bool looks_like_json(std::string_view body) {
  const std::size_t first = body.find_first_not_of(kBlank);
  const std::size_t last = body.find_last_not_of(kBlank);
  return first < last && last != std::string_view::npos &&
         ((body[first] == '{' && body[last] == '}') || (body[first] == '[' && body[last] == ']'));
}

}  // namespace

std::string_view sniff_content_type(std::string_view body) {
  using namespace std::literals;
  if (body.starts_with("\x89PNG\r\n\x1A\n"sv)) {
    return "image/png";
  }
  if (body.starts_with("GIF87a"sv) || body.starts_with("GIF89a"sv)) {
    return "image/gif";
  }
  if (body.starts_with("\xFF\xD8\xFF"sv)) {
    return "image/jpeg";
  }
  if (!body.empty() && is_text(body.substr(0, kLookedAt), body.size() > kLookedAt)) {
    return looks_like_json(body) ? "application/json"sv : "text/plain; charset=utf-8"sv;
  }
  return "application/octet-stream";
}

}  // namespace trilby::invoke
