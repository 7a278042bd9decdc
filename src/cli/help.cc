#include "cli/help.h"

#include <algorithm>
#include <utility>

#include <fmt/ranges.h>

namespace trilby::cli {
namespace {

constexpr std::size_t kWidth = 100;
constexpr std::size_t kMostLeft = 28;  // a longer name has its help on the next line

using Row = std::pair<std::string, std::string>;

/// Breaks `text` into lines of at most `width`; line ends in it stay.
std::vector<std::string> wrap(std::string_view text, std::size_t width) {
  std::vector<std::string> lines(1);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(" \n"), text.size());
    std::string& line = lines.back();
    if (!line.empty() && line.size() + 1 + end > width) {
      lines.emplace_back(text.substr(0, end));
    } else {
      line += (line.empty() ? "" : " ") + std::string(text.substr(0, end));
    }
    if (end < text.size() && text[end] == '\n') {
      lines.emplace_back();
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

void append_rows(std::string& out, std::string_view title, const std::vector<Row>& rows) {
  if (rows.empty()) {
    return;
  }
  std::size_t left = 0;
  for (const Row& row : rows) {
    left = std::max(left, row.first.size() <= kMostLeft ? row.first.size() : 0);
  }
  out += fmt::format("\n{}:\n", title);
  for (const Row& row : rows) {
    const std::vector<std::string> lines = wrap(row.second, kWidth - left - 4);
    const bool own_line = row.first.size() > left;
    out += fmt::format("  {:<{}}", row.first, left) + (own_line ? "\n" : "");
    for (std::size_t i = 0; i < lines.size(); ++i) {
      out += fmt::format("{:{}}{}\n", "", i == 0 && !own_line ? 2 : left + 4, lines[i]);
    }
  }
}

Row describe(const Option& option) {
  std::string left = option.short_name().empty() ? "    " : fmt::format("{}, ", option.short_name());
  left = option.long_name() == option.short_name() ? std::string(option.short_name())
                                                   : left + std::string(option.long_name());
  left += option.value.empty() ? "" : " " + option.value;
  std::string right = option.help;
  if (!option.choices.empty()) {
    right += fmt::format(": {}", fmt::join(option.choices, ", "));
  }
  if (auto* const* text = std::get_if<std::string*>(&option.target); text != nullptr && !(*text)->empty()) {
    right += fmt::format(" (default: {})", **text);
  }
  right += option.variable.empty() ? "" : fmt::format(" [{}]", option.variable);
  return {std::move(left), std::move(right)};
}

std::vector<Row> describe(const Syntax& syntax) {
  std::vector<Row> rows;
  for (const Option& option : syntax.options) {
    rows.push_back(describe(option));
  }
  return rows;
}

std::vector<Row> everywhere() {
  Everywhere options;
  std::vector<Row> rows = describe(options.syntax());
  rows.emplace_back("-h, --help", "print this help");
  rows.emplace_back("-V, --version", "print the versions of this program and its engine");
  return rows;
}

std::string indent(std::string_view text) {
  std::string out;
  for (const std::string& line : wrap(text, std::string::npos)) {
    out += fmt::format("  {}\n", line);
  }
  return out;
}

}  // namespace

std::string program_help(const Commands& commands) {
  std::string out =
      "Usage: trilby COMMAND [ARGUMENTS]\n\n"
      "Serves WebAssembly functions as Dapr microservices: each call in a fresh sandbox, under hard limits.\n";
  std::vector<Row> rows;
  for (const auto& command : commands) {
    if (!command->about().hidden) {
      rows.emplace_back(command->about().name, command->about().summary);
    }
  }
  append_rows(out, "Commands", rows);
  append_rows(out, "Everywhere", everywhere());
  return out + "\n\"trilby COMMAND --help\" says more about a command. Documentation: docs/cli.md, docs/manifest.md\n";
}

std::string command_help(Command& command) {
  const About about = command.about();
  const Syntax syntax = command.syntax();
  std::string out = fmt::format("Usage: trilby {} [OPTIONS]", about.name);
  std::vector<Row> arguments;
  for (const Argument& argument : syntax.arguments) {
    out += argument.required ? fmt::format(" {}", argument.name) : fmt::format(" [{}]", argument.name);
    arguments.emplace_back(argument.name, argument.choices.empty() ? argument.help
                                                                   : fmt::format("{}: {}", argument.help,
                                                                                 fmt::join(argument.choices, ", ")));
  }
  out += fmt::format("\n\n{}.\n", about.summary);
  if (!about.details.empty()) {
    out += fmt::format("\n{}\n", fmt::join(wrap(about.details, kWidth), "\n"));
  }
  append_rows(out, "Arguments", arguments);
  append_rows(out, "Options", describe(syntax));
  append_rows(out, "Everywhere", everywhere());
  if (!about.examples.empty()) {
    out += "\nExamples:\n" + indent(about.examples);
  }
  return out;
}

}  // namespace trilby::cli
