/// \file  Base64 (RFC 4648 section 4).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace trilby {

/// Decodes the standard alphabet with its padding. \return nothing for anything else, blanks and line ends included
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);

/// Appends `bytes` in the standard alphabet, with padding.
void append_base64(std::string& out, std::string_view bytes);

}  // namespace trilby
