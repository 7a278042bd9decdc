#include <algorithm>
#include <utility>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>

#include "base/environment_variable.h"
#include "base/text.h"
#include "cli/program.h"

namespace trilby::cli {
namespace {

std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& candidates) {
  const auto match = closest_match(word, candidates);
  return match ? fmt::format("; did you mean {}?", *match) : std::string();
}

void declare(CLI::App& app, const Syntax& syntax) {
  for (const Option& option : syntax.options) {
    if (auto* const* flag = std::get_if<bool*>(&option.target)) {
      app.add_flag(option.names, **flag);
    } else if (auto* const* text = std::get_if<std::string*>(&option.target)) {
      app.add_option(option.names, **text)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    } else {
      // One value a time, so that what follows is still an argument.
      app.add_option(option.names, *std::get<std::vector<std::string>*>(option.target))->allow_extra_args(false);
    }
  }
  for (const Argument& argument : syntax.arguments) {
    app.add_option(argument.name, *argument.target);
  }
}

Result<void> explain_extra(const Syntax& syntax, std::string_view command, const std::string& extra) {
  if (!extra.starts_with('-') || extra == "-") {
    const std::size_t count = syntax.arguments.size();
    return fail(Reason::BadRequest, "\"{}\" is one argument too many; {} takes {}", printable_line(extra, 100), command,
                count == 0   ? "none"
                : count == 1 ? "one"
                             : fmt::format("{}", count));
  }
  std::vector<std::string_view> names = {"--help", "--version"};
  for (const Option& option : syntax.options) {
    names.push_back(option.long_name());
  }
  const std::string word = extra.substr(0, extra.find('='));
  return fail(Reason::BadRequest, "{} has no option {}{}", command, printable_line(word, 100),
              did_you_mean(word, names));
}

/// CLI11's own words name the option first: "--port: 1 required TEXT missing".
Result<void> explain(const Syntax& syntax, const CLI::ParseError& error) {
  const std::string words = error.what();
  for (const Option& option : syntax.options) {
    if (!option.value.empty() && words.starts_with(std::string(option.long_name()) + ":")) {
      return fail(Reason::BadRequest, "{} needs a value: {} {}", option.long_name(), option.long_name(), option.value);
    }
  }
  return fail(Reason::BadRequest, "{}", printable_line(words, 200));
}

Result<void> check_choice(std::string_view source, const std::string& value, const std::vector<std::string>& choices) {
  if (choices.empty() || std::find(choices.begin(), choices.end(), value) != choices.end()) {
    return {};
  }
  const std::vector<std::string_view> candidates(choices.begin(), choices.end());
  return fail(Reason::BadRequest, "{}: \"{}\" is none of: {}{}", source, printable_line(value, 100),
              fmt::join(choices, ", "), did_you_mean(value, candidates));
}

Result<void> check(const CLI::App& app, const Syntax& syntax, std::string_view command) {
  for (const Option& option : syntax.options) {
    auto* const* text = std::get_if<std::string*>(&option.target);
    if (text == nullptr) {
      continue;
    }
    std::string_view source = option.long_name();
    const bool given = app.get_option(std::string(source))->count() > 0;
    if (!given && !option.variable.empty()) {
      if (std::string value = environment_variable(option.variable.c_str()); !value.empty()) {
        **text = std::move(value);
        source = option.variable;
      }
    }
    if (given || !(*text)->empty()) {
      TRILBY_CHECK(check_choice(source, **text, option.choices));
    }
  }
  for (const Argument& argument : syntax.arguments) {
    if (argument.required && argument.target->empty()) {
      return fail(Reason::BadRequest, "{} needs {}: {}", command, argument.name, argument.help);
    }
    if (!argument.target->empty()) {
      TRILBY_CHECK(check_choice(argument.name, *argument.target, argument.choices));
    }
  }
  return {};
}

}  // namespace

Result<void> parse(const Syntax& syntax, std::string_view command, std::vector<std::string> arguments) {
  CLI::App app;
  app.set_help_flag("");  // asked for before anything is parsed: run_program()
  declare(app, syntax);
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::ExtrasError&) {
    return explain_extra(syntax, command, app.remaining().front());
  } catch (const CLI::ParseError& error) {
    return explain(syntax, error);
  }
  return check(app, syntax, command);
}

}  // namespace trilby::cli
