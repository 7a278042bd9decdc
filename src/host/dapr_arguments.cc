#include "host/dapr_arguments.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "policy/dapr_grants.h"

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

bool is_rest(std::string_view text, DaprRest kind) {
  return kind == DaprRest::Key    ? policy::is_dapr_key(text)
         : kind == DaprRest::Path ? policy::is_dapr_path(text)
                                  : policy::is_dapr_name(text);
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
  return first && second && policy::is_dapr_name(*first) && is_rest(*second, kind)
             ? std::optional(DaprAddress{*first, *second})
             : std::nullopt;
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

}  // namespace trilby::host
