/// \file  TOML as a bounded tree of our own that knows the line of everything. manifest_document.cc alone knows the
/// TOML library.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace trilby::app {

/// One value of a TOML document. Which members count depends on `kind`.
struct DocumentNode {
  enum class Kind : std::uint8_t { Text, Integer, Real, Flag, Time, List, Table };

  Kind kind = Kind::Table;
  std::uint32_t line = 0;              ///< where it begins, from 1
  std::string key;                     ///< in its table; empty in a list
  std::string text;                    ///< Text: valid UTF-8
  std::int64_t integer = 0;            ///< Integer
  bool flag = false;                   ///< Flag
  std::vector<DocumentNode> children;  ///< List: in order; Table: in the order of the file
};

/// Reads TOML 1.0. Bounds: 1 MiB of text, values nested 16 deep, keys of 8 parts.
/// \return Reason::Manifest with "file:line: what is wrong", where `file` is only for the message
[[nodiscard]] Result<DocumentNode> parse_document(std::string_view text, std::string_view file);

}  // namespace trilby::app
