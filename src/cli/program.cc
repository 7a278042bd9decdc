#include "cli/program.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iterator>

#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "cli/help.h"
#include "cli/report.h"
#include "cli/version.h"

namespace trilby::cli {
namespace {

using Arguments = std::vector<std::string>;

bool one_of(const std::string& word, std::string_view a, std::string_view b) {
  return word == a || word == b;
}

/// The first argument that is neither an option nor the value of one that may stand before the command.
Arguments::iterator find_command(Arguments& arguments) {
  Everywhere everywhere;
  const Syntax syntax = everywhere.syntax();
  const auto takes_value = [&](const std::string& word) {
    return std::any_of(syntax.options.begin(), syntax.options.end(), [&](const Option& option) {
      return !word.empty() && (word == option.long_name() || word == option.short_name());
    });
  };
  auto at = arguments.begin();
  while (at != arguments.end() && at->starts_with('-')) {
    at += takes_value(*at) && std::next(at) != arguments.end() ? 2 : 1;
  }
  return at;
}

int unknown_command(const Commands& commands, const std::string& word) {
  std::vector<std::string_view> names;
  for (const auto& command : commands) {
    if (!command->about().hidden) {
      names.push_back(command->about().name);
    }
  }
  const auto match = closest_match(word, names);
  return report({Reason::BadRequest, fmt::format("there is no command \"{}\"{}", printable_line(word, 100),
                                                 match ? fmt::format("; did you mean {}?", *match) : "")},
                "trilby --help");
}

Command* find(const Commands& commands, const std::string& name) {
  const auto found = std::find_if(commands.begin(), commands.end(),
                                  [&](const auto& command) { return command->about().name == name; });
  return found == commands.end() ? nullptr : found->get();
}

Result<void> put_in_force(const Everywhere& options) {
  using log::Level;
  const Level level = options.log_level == "debug"   ? Level::Debug
                      : options.log_level == "warn"  ? Level::Warn
                      : options.log_level == "error" ? Level::Error
                                                     : Level::Info;
  // What this process starts logs alike.
  setenv("TRILBY_LOG_FORMAT", options.log_format.c_str(), 1);
  setenv("TRILBY_LOG_LEVEL", options.log_level.c_str(), 1);
  log::configure(options.log_format == "json" ? log::Format::Json : log::Format::Human, level);
  if (!options.directory.empty() && chdir(options.directory.c_str()) != 0) {
    return fail(Reason::BadRequest, "-C {}: {}", options.directory, std::strerror(errno));
  }
  return {};
}

}  // namespace

Syntax Everywhere::syntax() {
  Syntax out;
  out.options = {
      {"-C", "DIR", "work in this directory", &directory, {}, {}},
      {"--log-format", "FORMAT", "how log lines look", &log_format, "TRILBY_LOG_FORMAT", {"human", "json"}},
      {"--log-level",
       "LEVEL",
       "the least that is logged",
       &log_level,
       "TRILBY_LOG_LEVEL",
       {"debug", "info", "warn", "error"}},
  };
  return out;
}

int run_program(const Commands& commands, Arguments arguments) {
  const auto options_end = std::find(arguments.begin(), arguments.end(), "--");
  const bool help =
      std::any_of(arguments.begin(), options_end, [](const auto& word) { return one_of(word, "-h", "--help"); });
  if (std::any_of(arguments.begin(), options_end, [](const auto& word) { return one_of(word, "-V", "--version"); })) {
    return print(version_line());
  }
  auto name = find_command(arguments);
  if (name != arguments.end() && *name == "help") {
    name = name + 1 == arguments.end() ? arguments.end() : arguments.erase(name);
    return name == arguments.end() ? print(program_help(commands)) : run_program(commands, {*name, "--help"});
  }
  if (name == arguments.end()) {
    return help ? print(program_help(commands)) : report({Reason::BadRequest, "no command was given"}, "trilby --help");
  }
  Command* command = find(commands, *name);
  if (command == nullptr) {
    return unknown_command(commands, *name);
  }
  if (help) {
    return print(command_help(*command));
  }
  const std::string full_name = "trilby " + *name;
  arguments.erase(name);
  Everywhere everywhere;
  Syntax syntax = command->syntax();
  const Syntax more = everywhere.syntax();
  syntax.options.insert(syntax.options.end(), more.options.begin(), more.options.end());
  auto ready = parse(syntax, full_name, std::move(arguments));
  ready = ready ? put_in_force(everywhere) : ready;
  return ready ? command->run() : report(ready.error(), full_name + " --help");
}

}  // namespace trilby::cli
