/// \file  Request targets, made unambiguous before anything is decided by them.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace trilby::triggers {

struct Target {
  std::string path;   ///< decoded, UTF-8, begins with '/'; no empty, "." or ".." segment
  std::string query;  ///< as sent, without the '?'
};

/// Splits and decodes an origin-form target. Percent codes are decoded once.
/// Refused, and not repaired, is what servers and file systems read in more than one way: dot segments, empty segments
/// ("//"), backslashes, control characters, a '#', malformed percent codes, bytes that are not UTF-8, and the codes of
/// '/', '\' and NUL. Browsers never send these. A '/' at the end is kept.
/// \return Reason::BadRequest
[[nodiscard]] Result<Target> parse_target(std::string_view target);

}  // namespace trilby::triggers
