/// \file  Names as parts of paths and keys.
#pragma once

#include <string>
#include <string_view>

#include <fmt/format.h>

namespace trilby {

/// "a b/c" -> "a.20b.2Fc": letters, digits, '-', '_' and '.' alone; no two names give the same.
[[nodiscard]] inline std::string name_part(std::string_view name) {
  std::string part;
  for (const char c : name) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_') {
      part += c;
    } else {
      part += fmt::format(".{:02X}", static_cast<unsigned char>(c));
    }
  }
  return part;
}

}  // namespace trilby
