#include "triggers/conditional.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "base/text.h"

namespace trilby::triggers {
namespace {

constexpr const char* kDateFormat = "%a, %d %b %Y %H:%M:%S GMT";
constexpr std::size_t kDateLength = 29;

enum class Comparison : std::uint8_t { Weak, Strong };  // RFC 9110 section 8.8.3.2; ours is a strong tag

/// Compares `etag` with each member of a list of tags. Tags may hold commas, so the list is walked by its quotes.
bool lists(std::string_view list, std::string_view etag, Comparison comparison) {
  if (trimmed(list) == "*") {
    return true;
  }
  for (std::size_t open = list.find('"'); open != std::string_view::npos;) {
    const std::size_t close = list.find('"', open + 1);
    if (close == std::string_view::npos) {
      return false;
    }
    const bool is_weak = open >= 2 && list.substr(open - 2, 2) == "W/";
    if (list.substr(open, close - open + 1) == etag && (comparison == Comparison::Weak || !is_weak)) {
      return true;
    }
    open = list.find('"', close + 1);
  }
  return false;
}

/// A list that came in any number of fields. \return nothing when there is no such field
std::optional<std::string> joined(const Fields& fields, std::string_view name) {
  std::optional<std::string> list;
  for (const Field& field : fields) {
    if (equal_ignoring_case(field.name, name)) {
      list = list ? *list + ", " + field.value : field.value;
    }
  }
  return list;
}

/// \return nothing when there is no such field, or no date in it, or several
std::optional<std::time_t> date_in(const Fields& fields, std::string_view name) {
  return fields.count(name) == 1 ? parse_http_date(trimmed(*fields.find(name))) : std::nullopt;
}

/// \return nothing when `text` is not all digits; the largest number when it is too long to count
std::optional<std::uint64_t> parse_digits(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return error == std::errc() ? number : std::numeric_limits<std::uint64_t>::max();
}

bool is_same_version(std::string_view if_range, const Validators& current) {
  if (if_range.starts_with('"')) {
    return if_range == current.etag;
  }
  const auto date = parse_http_date(if_range);  // a weak tag is no date either
  return date && *date == current.modified;
}

}  // namespace

std::string http_date(std::time_t time) {
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  std::array<char, 64> text{};
  return {text.data(), std::strftime(text.data(), text.size(), kDateFormat, &parts)};
}

std::optional<std::time_t> parse_http_date(std::string_view text) {
  std::tm parts{};
  const std::string terminated(text.substr(0, kDateLength + 1));
  const char* end = ::strptime(terminated.c_str(), kDateFormat, &parts);
  if (text.size() != kDateLength || end != terminated.c_str() + kDateLength) {
    return std::nullopt;
  }
  return ::timegm(&parts);
}

Precondition check_preconditions(const Fields& fields, const Validators& current) {
  if (const auto wanted = joined(fields, "if-match")) {
    if (!lists(*wanted, current.etag, Comparison::Strong)) {
      return Precondition::Failed;
    }
  } else if (const auto date = date_in(fields, "if-unmodified-since"); date && current.modified > *date) {
    return Precondition::Failed;
  }
  if (const auto known = joined(fields, "if-none-match")) {
    return lists(*known, current.etag, Comparison::Weak) ? Precondition::NotModified : Precondition::Holds;
  }
  const auto date = date_in(fields, "if-modified-since");
  return date && current.modified <= *date ? Precondition::NotModified : Precondition::Holds;
}

std::optional<ByteRange> requested_range(const Fields& fields, const Validators& current, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  const std::string* field = fields.find("range");
  if (field == nullptr || fields.count("range") > 1 || !equal_ignoring_case(field->substr(0, kUnit.size()), kUnit)) {
    return std::nullopt;
  }
  if (const std::string* if_range = fields.find("if-range");
      if_range != nullptr && !is_same_version(trimmed(*if_range), current)) {
    return std::nullopt;
  }
  const std::string_view range = trimmed(std::string_view(*field).substr(kUnit.size()));
  const std::size_t dash = range.find('-');
  if (dash == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view last_text = range.substr(dash + 1);
  const auto first = parse_digits(range.substr(0, dash));
  const auto last = parse_digits(last_text);
  if (dash == 0) {  // "-n": the last n bytes
    if (!last) {
      return std::nullopt;
    }
    const std::uint64_t length = std::min(*last, size);
    return ByteRange{size - length, length};
  }
  if (!first || (!last && !last_text.empty()) || (last && *last < *first)) {
    return std::nullopt;
  }
  if (*first >= size) {
    return ByteRange{};
  }
  return ByteRange{*first, last ? std::min(*last - *first, size - 1 - *first) + 1 : size - *first};
}

}  // namespace trilby::triggers
