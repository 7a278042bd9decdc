#include "cli/report.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <unistd.h>

#include "base/text.h"

namespace trilby::cli {
namespace {

bool write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = write(descriptor, text.data(), text.size());
    if (count < 0 && errno != EINTR) {
      return false;
    }
    text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  }
  return true;
}

/// Columns that `text` takes on a terminal, near enough: one for each character.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

int report(const Error& error, std::string_view mend) {
  const std::string prefix = styled("trilby:", Style::Bad, STDERR_FILENO);
  std::string text;
  for (std::string_view rest = error.message; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    const bool as_it_is = line.empty() || line.starts_with(' ') || line.starts_with("try: ");
    text += as_it_is ? fmt::format("{}\n", line) : fmt::format("{} {}\n", prefix, line);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (!mend.empty()) {
    text += fmt::format("try: {}\n", mend);
  }
  print_error(text);
  return info(error.reason).exit_code;
}

void print_error(std::string_view text) {
  (void)write_all(STDERR_FILENO, text);
}

int print(std::string_view text) {
  if (write_all(STDOUT_FILENO, text)) {
    return 0;
  }
  return report({Reason::Internal, fmt::format("cannot write to standard output: {}", std::strerror(errno))});
}

std::string styled(std::string_view text, Style style, int descriptor) {
  const char* no_color = std::getenv("NO_COLOR");
  if (isatty(descriptor) == 0 || (no_color != nullptr && *no_color != '\0')) {
    return std::string(text);
  }
  const std::string_view code = style == Style::Bad ? "31" : style == Style::Good ? "32" : "2";
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], width(row[i]));
    }
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i] + std::string(i + 1 == row.size() ? 0 : widths[i] - width(row[i]) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

}  // namespace trilby::cli
