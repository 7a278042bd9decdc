/// \file  Which bytes may stand where in a message (RFC 9110 section 5, RFC 3986).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

namespace trilby::http {

enum CharacterClass : std::uint8_t {
  kToken = 1,   ///< methods and field names
  kValue = 2,   ///< field values: anything visible, space and tab; obs-text too
  kHost = 4,    ///< host and port
  kTarget = 8,  ///< request targets: visible ASCII, but no fragment
};

inline constexpr std::array<std::uint8_t, 256> kCharacterClasses = [] {
  std::array<std::uint8_t, 256> classes{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const bool is_visible = byte > ' ' && byte < 0x7f;
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    const auto is_one_of = [&](std::string_view set) { return is_visible && set.find(c) != std::string_view::npos; };
    classes[byte] = static_cast<std::uint8_t>((is_plain || is_one_of("!#$%&'*+-.^_`|~") ? kToken : 0) |
                                              (is_visible || byte >= 0x80 || c == ' ' || c == '\t' ? kValue : 0) |
                                              (is_plain || is_one_of("-._~%!$&'()*+;=:[]") ? kHost : 0) |
                                              (is_visible && c != '#' ? kTarget : 0));
  }
  return classes;
}();

[[nodiscard]] inline bool consists_of(std::string_view text, CharacterClass wanted) {
  return std::all_of(text.begin(), text.end(),
                     [wanted](char c) { return (kCharacterClasses[static_cast<unsigned char>(c)] & wanted) != 0; });
}

}  // namespace trilby::http
