/// \file  Base64 with the alphabet for URLs (RFC 4648 section 5), without padding. Private to http/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace trilby::http {

/// \return nothing for what no encoder writes
[[nodiscard]] inline std::optional<std::string> decode_base64url(std::string_view text) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string bytes;
  std::uint32_t waiting = 0;  // the low `bits` of it
  unsigned bits = 0;
  for (const char c : text) {
    const std::size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) {
      return std::nullopt;
    }
    waiting = ((waiting << 6U) | static_cast<std::uint32_t>(digit)) & 0x3fffU;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes.push_back(static_cast<char>((waiting >> bits) & 0xffU));
    }
  }
  if (bits == 6 || (waiting & ((1U << bits) - 1)) != 0) {
    return std::nullopt;
  }
  return bytes;
}

}  // namespace trilby::http
