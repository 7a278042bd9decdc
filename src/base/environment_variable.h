/// \file  Variables of this process's environment.
#pragma once

#include <cstdlib>
#include <string>

namespace trilby {

/// \return empty when it is not set, which is the same as set to nothing for whoever asks here
[[nodiscard]] inline std::string environment_variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace trilby
