/// \file  Which program this is.
#pragma once

#include <string>

namespace trilby::cli {

[[nodiscard]] std::string version_line();  ///< "trilby 0.1.0 (wasmtime 48.0.8)\n"

}  // namespace trilby::cli
