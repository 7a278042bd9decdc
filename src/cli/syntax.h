/// \file  What commands look like on the command line, as data: parsing, help and shell completion all read it.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace trilby::cli {

/// Where a value goes. What is not on the command line leaves its target as it was.
using Target = std::variant<bool*, std::string*, std::vector<std::string>*>;

struct Option {
  std::string names;                 ///< "-m,--manifest": short, if any, then long
  std::string value;                 ///< "FILE", "DIR", "N", "APP=N"; empty for a switch
  std::string help;                  ///< one sentence, without a full stop
  Target target;                     ///< bool: a switch; vector: may be repeated
  std::string variable;              ///< of the environment, read when the option is not given; empty: none
  std::vector<std::string> choices;  ///< the only values; empty: any

  [[nodiscard]] std::string_view long_name() const;   ///< "--manifest", or the short one when there is no other
  [[nodiscard]] std::string_view short_name() const;  ///< "-m", or empty
};

struct Argument {
  std::string name;  ///< "FUNCTION"
  std::string help;
  std::string* target = nullptr;
  bool required = false;
  std::vector<std::string> choices;
};

struct Syntax {
  std::vector<Argument> arguments;
  std::vector<Option> options;
};

/// What a person reads about a command.
struct About {
  std::string_view name;
  std::string_view summary;   ///< one sentence, without a full stop
  std::string_view details;   ///< more sentences; may be empty
  std::string_view examples;  ///< lines of a shell; may be empty
  bool hidden = false;        ///< not for people
};

/// One command of the program. Ownership: its syntax refers to its members.
class Command {
 public:
  Command() = default;
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;
  virtual ~Command() = default;

  [[nodiscard]] virtual About about() const = 0;
  [[nodiscard]] virtual Syntax syntax() = 0;
  /// Runs after parsing. Writes what was asked for to standard output, and all else to standard error.
  /// \return the exit code, from the reason table; 64 for wrong usage
  [[nodiscard]] virtual int run() = 0;
};

}  // namespace trilby::cli
