#include "triggers/path.h"

#include <algorithm>

#include "base/text.h"

namespace trilby::triggers {
namespace {

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

Result<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    const bool coded = c == '%';
    if (coded) {
      const auto high = i + 2 < text.size() ? hex_digit(text[i + 1]) : std::nullopt;
      const auto low = high ? hex_digit(text[i + 2]) : std::nullopt;
      if (!low) {
        return fail(Reason::BadRequest, "the path has a malformed percent code");
      }
      c = static_cast<char>(*high * 16 + *low);
      i += 2;
    }
    if (is_control(c) || c == '\\' || (coded && c == '/') || (!coded && c == '#')) {
      return fail(Reason::BadRequest, "the path has a character that may not be in one");
    }
    out += c;
  }
  return out;
}

Result<void> check_segments(std::string_view path) {
  while (!path.empty()) {
    path.remove_prefix(1);  // the '/'
    const std::string_view segment = path.substr(0, path.find('/'));
    path.remove_prefix(segment.size());
    if (segment == "." || segment == ".." || (segment.empty() && !path.empty())) {
      return fail(Reason::BadRequest, "the path has an empty segment or a dot segment");
    }
  }
  return {};
}

}  // namespace

Result<Target> parse_target(std::string_view target) {
  const std::size_t path_end = std::min(target.find('?'), target.size());
  if (!target.starts_with('/')) {
    return fail(Reason::BadRequest, "the path does not begin with '/'");
  }
  TRILBY_ASSIGN(std::string path, percent_decode(target.substr(0, path_end)));
  TRILBY_CHECK(check_segments(path));
  if (!is_utf8(path)) {
    return fail(Reason::BadRequest, "the path is not UTF-8");
  }
  const std::string_view query = target.substr(std::min(path_end + 1, target.size()));
  return Target{std::move(path), std::string(query)};
}

}  // namespace trilby::triggers
