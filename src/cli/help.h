/// \file  Help texts, all of one form.
#pragma once

#include <string>

#include "cli/program.h"

namespace trilby::cli {

/// What `trilby --help` says.
[[nodiscard]] std::string program_help(const Commands& commands);
/// What `trilby COMMAND --help` says.
[[nodiscard]] std::string command_help(Command& command);

}  // namespace trilby::cli
