/// \file  Numbers that are a text as a whole.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace trilby {

/// As std::from_chars reads it, so: decimal, no '+', no blanks; '-' where `Number` has a sign; "inf" and "nan" where it
/// is a double. \return nothing when `text` is anything else or more, or the number is none of `Number`'s
template <typename Number>
[[nodiscard]] std::optional<Number> parse_number(std::string_view text) {
  Number number{};
  const char* const end = text.data() + text.size();
  const auto [read_to, error] = std::from_chars(text.data(), end, number);
  return error == std::errc{} && read_to == end ? std::optional(number) : std::nullopt;
}

}  // namespace trilby
