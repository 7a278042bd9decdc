#include <algorithm>

#include <fmt/ranges.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/report.h"

namespace trilby::cli {
namespace {

/// What a shell offers for a value.
enum class Kind : std::uint8_t { None, File, Directory, Function, Choices };

Kind kind_of(std::string_view value, const std::vector<std::string>& choices) {
  if (!choices.empty()) {
    return Kind::Choices;
  }
  return value == "FILE" || value == "MANIFEST" ? Kind::File
         : value == "DIR"                       ? Kind::Directory
         : value == "FUNCTION"                  ? Kind::Function
                                                : Kind::None;
}

struct Words {
  About about;
  Syntax syntax;
};

/// Every command for people, with the options that all take.
std::vector<Words> visible(const Commands& commands) {
  Everywhere everywhere;
  std::vector<Words> out;
  for (const auto& command : commands) {
    if (!command->about().hidden) {
      out.push_back({command->about(), command->syntax()});
      append(out.back().syntax.options, everywhere.syntax().options);
    }
  }
  return out;
}

/// Inside single quotes of a shell.
std::string shell_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return out + "'";
}

std::string names_of(const Syntax& syntax) {
  std::string out;
  for (const Option& option : syntax.options) {
    out += std::string(option.long_name()) + " ";
  }
  return out + "--help --version";
}

// ---- bash

std::string bash_values(Kind kind, const std::vector<std::string>& choices) {
  switch (kind) {
    case Kind::None:
      return "return";
    case Kind::File:
      return R"(COMPREPLY=($(compgen -f -- "$word")); return)";
    case Kind::Directory:
      return R"(COMPREPLY=($(compgen -d -- "$word")); return)";
    case Kind::Function:
      return R"bash(COMPREPLY=($(compgen -W "$("${words[0]}" completion functions 2>/dev/null)" -- "$word")); return)bash";
    case Kind::Choices:
      return fmt::format(R"(COMPREPLY=($(compgen -W "{}" -- "$word")); return)", fmt::join(choices, " "));
  }
  return {};
}

std::string bash(const std::vector<Words>& commands) {
  std::string names;
  std::string cases;
  for (const Words& command : commands) {
    names += fmt::format("{} ", command.about.name);
    cases += fmt::format("    {})\n      case $previous in\n", command.about.name);
    for (const Option& option : command.syntax.options) {
      if (!option.value.empty()) {
        const std::string pattern = option.short_name().empty() || option.short_name() == option.long_name()
                                        ? std::string(option.long_name())
                                        : fmt::format("{}|{}", option.short_name(), option.long_name());
        cases += fmt::format("        {}) {} ;;\n", pattern,
                             bash_values(kind_of(option.value, option.choices), option.choices));
      }
    }
    cases += fmt::format(
        "      esac\n      [[ $word == -* ]] && {{ COMPREPLY=($(compgen -W \"{}\" -- \"$word\")); return; }}\n",
        names_of(command.syntax));
    if (!command.syntax.arguments.empty()) {
      const Argument& argument = command.syntax.arguments.front();
      cases += fmt::format("      {}\n", bash_values(kind_of(argument.name, argument.choices), argument.choices));
    }
    cases += "      ;;\n";
  }
  return fmt::format(R"(# bash completion for trilby: source <(trilby completion bash)
_trilby() {{
  local words=("${{COMP_WORDS[@]}}") word="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}" command= i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${{words[i]}} in
      -C|--log-format|--log-level) ((i++)) ;;
      -*) ;;
      *) command=${{words[i]}}; break ;;
    esac
  done
  case $command in
    '') COMPREPLY=($(compgen -W "{}help --help --version" -- "$word")) ;;
    help) COMPREPLY=($(compgen -W "{}" -- "$word")) ;;
{}  esac
}}
complete -o filenames -F _trilby trilby
)",
                     names, names, cases);
}

// ---- zsh

std::string zsh_values(std::string_view name, Kind kind, const std::vector<std::string>& choices) {
  switch (kind) {
    case Kind::None:
      return fmt::format(":{}:", name);
    case Kind::File:
      return fmt::format(":{}:_files", name);
    case Kind::Directory:
      return fmt::format(":{}:_files -/", name);
    case Kind::Function:
      return fmt::format(":{}:_trilby_functions", name);
    case Kind::Choices:
      return fmt::format(":{}:({})", name, fmt::join(choices, " "));
  }
  return {};
}

/// A text for people inside an optspec of _arguments.
std::string zsh_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    out += c == '[' || c == ']' || c == ':' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  }
  return out;
}

std::string zsh(const std::vector<Words>& commands) {
  std::string list;
  std::string cases;
  for (const Words& command : commands) {
    list += fmt::format("    {}\n", shell_quoted(fmt::format("{}:{}", command.about.name, command.about.summary)));
    cases += fmt::format("    {}) _arguments", command.about.name);
    for (const Option& option : command.syntax.options) {
      const std::string values =
          option.value.empty() ? "" : zsh_values(option.value, kind_of(option.value, option.choices), option.choices);
      const std::string repeat = std::holds_alternative<std::vector<std::string>*>(option.target) ? "*" : "";
      for (const std::string_view spelled : {option.short_name(), option.long_name()}) {
        if (!spelled.empty() && (spelled.starts_with("--") || spelled == option.short_name())) {
          cases += fmt::format(" \\\n      {}",
                               shell_quoted(fmt::format("{}{}[{}]{}", repeat, spelled, zsh_text(option.help), values)));
        }
        if (option.short_name() == option.long_name()) {
          break;
        }
      }
    }
    for (const Argument& argument : command.syntax.arguments) {
      cases += fmt::format(
          " \\\n      {}",
          shell_quoted("1" + zsh_values(argument.name, kind_of(argument.name, argument.choices), argument.choices)));
    }
    cases += " \\\n      '--help[print help]' '--version[print the version]' ;;\n";
  }
  return fmt::format(R"zsh(#compdef trilby
# zsh completion for trilby: trilby completion zsh > a file named _trilby in a folder of $fpath
_trilby_functions() {{ compadd -- ${{(f)"$(trilby completion functions 2>/dev/null)"}} }}
_trilby() {{
  local -a commands
  commands=({})
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
{}  esac
}}
compdef _trilby trilby
)zsh",
                     list, cases);
}

// ---- fish

std::string fish_values(Kind kind, const std::vector<std::string>& choices) {
  switch (kind) {
    case Kind::None:
      return "";
    case Kind::File:
      return " -F";
    case Kind::Directory:
      return " -a '(__fish_complete_directories)'";
    case Kind::Function:
      return " -a '(trilby completion functions 2>/dev/null)'";
    case Kind::Choices:
      return fmt::format(" -a {}", shell_quoted(fmt::format("{}", fmt::join(choices, " "))));
  }
  return {};
}

std::string fish(const std::vector<Words>& commands) {
  std::string out =
      "# fish completion for trilby: trilby completion fish > ~/.config/fish/completions/trilby.fish\ncomplete -c "
      "trilby -f\n";
  for (const Words& command : commands) {
    out += fmt::format("complete -c trilby -n __fish_use_subcommand -a {} -d {}\n", command.about.name,
                       shell_quoted(command.about.summary));
    const std::string when = fmt::format("complete -c trilby -n '__fish_seen_subcommand_from {}'", command.about.name);
    for (const Option& option : command.syntax.options) {
      out += when;
      out += option.short_name().empty() ? "" : fmt::format(" -s {}", option.short_name().substr(1));
      out += option.long_name().starts_with("--") ? fmt::format(" -l {}", option.long_name().substr(2)) : "";
      out += option.value.empty() ? "" : " -r" + fish_values(kind_of(option.value, option.choices), option.choices);
      out += fmt::format(" -d {}\n", shell_quoted(option.help));
    }
    for (const Argument& argument : command.syntax.arguments) {
      out += when + fish_values(kind_of(argument.name, argument.choices), argument.choices) + "\n";
    }
  }
  return out;
}

class Completion final : public Command {
 public:
  explicit Completion(const Commands& commands) : commands_(commands) {}

  [[nodiscard]] About about() const override {
    return {.name = "completion",
            .summary = "Print a script that lets a shell complete trilby's commands and options",
            .details = "\"functions\" prints the names of the manifest's functions instead; the scripts use it.",
            .examples =
                "source <(trilby completion bash)\n"
                "trilby completion zsh > ~/.zfunc/_trilby\n"
                "trilby completion fish > ~/.config/fish/completions/trilby.fish"};
  }

  [[nodiscard]] Syntax syntax() override {
    Syntax out;
    out.arguments = {{"SHELL", "which shell", &shell_, true, {"bash", "zsh", "fish", "functions"}}};
    out.options = {manifest_.manifest_option()};
    return out;
  }

  [[nodiscard]] int run() override {
    if (shell_ == "functions") {
      return print_functions();
    }
    const std::vector<Words> commands = visible(commands_);
    return print(shell_ == "bash" ? bash(commands) : shell_ == "zsh" ? zsh(commands) : fish(commands));
  }

 private:
  [[nodiscard]] int print_functions() const {
    const auto loaded = manifest_.load();
    if (!loaded) {
      return report(loaded.error(), manifest_.mend());
    }
    std::string out;
    for (const app::Function& function : loaded->manifest.functions) {
      out += function.name + "\n";
    }
    return print(out);
  }

  const Commands& commands_;
  ManifestOptions manifest_;
  std::string shell_;
};

}  // namespace

std::unique_ptr<Command> make_completion(const Commands& commands) {
  return std::make_unique<Completion>(commands);
}

}  // namespace trilby::cli
