/// \file  Small questions about text that several folders ask.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace trilby {

/// Length of the valid UTF-8 sequence that `text` begins with (RFC 3629: shortest form, no surrogates); 0 when there is
/// none.
[[nodiscard]] std::size_t utf8_sequence_length(std::string_view text);
[[nodiscard]] bool is_utf8(std::string_view text);

/// Of ASCII, whatever the locale.
[[nodiscard]] constexpr bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
/// What may stand in a key or in one part of a path, where nothing is to separate parts: letters, digits, "-._~:@+=,".
[[nodiscard]] constexpr bool is_key_character(char c) {
  return is_letter_or_digit(c) || std::string_view("-._~:@+=,").find(c) != std::string_view::npos;
}
/// Those of ASCII; the others (U+0080 to U+009F) are no concern of who asks this.
[[nodiscard]] bool has_control_characters(std::string_view text);

/// The value of a hexadecimal digit, in either case; nothing for any other character.
[[nodiscard]] constexpr std::optional<unsigned> hex_digit(char c) {
  return c >= '0' && c <= '9'   ? std::optional(static_cast<unsigned>(c - '0'))
         : c >= 'a' && c <= 'f' ? std::optional(static_cast<unsigned>(c - 'a' + 10))
         : c >= 'A' && c <= 'F' ? std::optional(static_cast<unsigned>(c - 'A' + 10))
                                : std::nullopt;
}
/// Whether it is a token of HTTP (RFC 9110 section 5.6.2), as methods and names of fields are.
[[nodiscard]] bool is_token(std::string_view text);
/// Without the spaces and tabs around it. \return a part of `text`, never a view of nothing
[[nodiscard]] std::string_view trimmed(std::string_view text);

/// ASCII only, as HTTP field names are compared.
[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b);
[[nodiscard]] std::string ascii_lower(std::string_view text);

/// Whether a media type, in lower case and without parameters, is one of JSON.
[[nodiscard]] bool is_json_type(std::string_view media_type);

/// What a guest or a caller wrote, made safe for one line of a terminal or a log: control characters and bytes that are
/// not UTF-8 become U+FFFD, and at most `max_bytes` are kept, with an ellipsis when more was there.
[[nodiscard]] std::string printable_line(std::string_view text, std::size_t max_bytes);

/// The candidate that a person who typed `word` most likely meant, for "did you mean".
/// \return nothing when none is close (a third of the letters may differ)
[[nodiscard]] std::optional<std::string_view> closest_match(std::string_view word,
                                                            std::span<const std::string_view> candidates);

}  // namespace trilby
