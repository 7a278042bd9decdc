/// \file  Names as parts of paths and keys.
#pragma once

#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/text.h"

namespace trilby {

/// "a b/c" -> "a.20b.2Fc": letters, digits, '-', '_' and '.' alone; no two names give the same.
[[nodiscard]] inline std::string name_part(std::string_view name) {
  std::string part;
  for (const char c : name) {
    if (is_letter_or_digit(c) || c == '-' || c == '_') {
      part += c;
    } else {
      part += fmt::format(".{:02X}", static_cast<unsigned char>(c));
    }
  }
  return part;
}

}  // namespace trilby
