/// \file  From arguments to a command that runs.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/syntax.h"

namespace trilby::cli {

using Commands = std::vector<std::unique_ptr<Command>>;

/// Options that every command takes: where to work, how to log.
struct Everywhere {
  std::string directory;
  std::string log_format = "human";
  std::string log_level = "info";

  [[nodiscard]] Syntax syntax();
};

/// Finds the command, parses, and runs it. \param arguments  without the program's name \return the exit code
[[nodiscard]] int run_program(const Commands& commands, std::vector<std::string> arguments);

/// Fills the targets of `syntax` from `arguments`, then from the environment.
/// \param command  for messages: "trilby up"
/// \return Reason::BadRequest with a message for a person
[[nodiscard]] Result<void> parse(const Syntax& syntax, std::string_view command, std::vector<std::string> arguments);

}  // namespace trilby::cli
