#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "base/result.h"
#include "cli/commands.h"
#include "cli/report.h"
#include "cli/toolchain.h"

namespace trilby::cli {
namespace {

struct File {
  std::string_view name;
  std::string_view text;
};

constexpr std::array<File, 4> kFiles = {{
    {"trilby.toml", R"(# One manifest describes a whole system. Start it with: trilby up
trilby = 1

[app.hello]
port = 8080

[[app.hello.route]]
method = "GET"
path = "/"
text = "POST a name to /hello\n"

[[app.hello.route]]
method = "POST"
path = "/hello"
function = "hello"

[function.hello]
module = "hello.wasm"
content_type = "text/plain; charset=utf-8"
build = { command = "make" }

# What it may use; these are the defaults, and every call is held to them.
[function.hello.limits]
memory = "64MiB"
cpu = "1s"
wall = "10s"
)"},
    {"hello.c",
     R"(/* A function: input on standard input, answer on standard output. Exit code 65 says that the input was bad; what was
 * written to standard error is then told to the caller. */
#include <stdio.h>

int main(void) {
  char name[256];
  const size_t length = fread(name, 1, sizeof name, stdin);
  size_t end = length;
  while (end > 0 && (name[end - 1] == '\n' || name[end - 1] == '\r')) {
    --end;
  }
  if (end == 0 || length == sizeof name) {
    fputs(end == 0 ? "a name is needed\n" : "that name is too long\n", stderr);
    return 65;
  }
  printf("Hello, %.*s!\n", (int)end, name);
  return 0;
}
)"},
    {"Makefile", R"(# Debian: @INSTALL@
hello.wasm: hello.c
	@COMPILER@ --target=wasm32-wasi -O2 -Wall -Wextra -o $@ $<
)"},
    {"README.md", R"(# A first function

    make                                # builds hello.wasm
    trilby check                        # what would run, with which limits
    echo Ada | trilby invoke hello      # one call, no server
    trilby up                           # serve it
    curl --data Ada http://127.0.0.1:8080/hello

Any language that compiles to a WASI command will do: standard input is the request, standard output the answer.
)"},
}};

/// \return what went wrong; empty: nothing
std::string write_new(const std::filesystem::path& path, std::string_view text) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file < 0) {
    return std::strerror(errno);
  }
  const bool whole = write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const std::string wrong = whole ? std::string() : std::strerror(errno);
  close(file);
  return wrong;
}

std::string filled_in(std::string_view text, std::string_view compiler) {
  std::string out(text);
  for (const auto& [mark, value] :
       {std::pair{std::string_view("@COMPILER@"), compiler}, {std::string_view("@INSTALL@"), kInstallCompiler}}) {
    if (const std::size_t at = out.find(mark); at != std::string::npos) {
      out.replace(at, mark.size(), value);
    }
  }
  return out;
}

/// Writes all files or none; nothing is overwritten.
Result<void> write_files(const std::filesystem::path& directory, std::string_view compiler) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return fail(Reason::Manifest, "cannot make the folder {}: {}", directory.string(), error.message());
  }
  for (const File& file : kFiles) {
    if (std::filesystem::exists(std::filesystem::symlink_status(directory / file.name))) {
      return fail(Reason::Manifest,
                  "{} is there already, and nothing is overwritten\ntry: trilby init DIR, with another folder",
                  (directory / file.name).string());
    }
  }
  std::vector<std::filesystem::path> written;
  for (const File& file : kFiles) {
    const std::filesystem::path path = directory / file.name;
    if (const std::string wrong = write_new(path, filled_in(file.text, compiler)); !wrong.empty()) {
      for (const std::filesystem::path& earlier : written) {
        std::filesystem::remove(earlier, error);
      }
      return fail(Reason::Manifest, "cannot write {}: {}", path.string(), wrong);
    }
    written.push_back(path);
  }
  return {};
}

class Init final : public Command {
 public:
  [[nodiscard]] About about() const override {
    return {.name = "init",
            .summary = "Write a first manifest and a first function",
            .details =
                "Makes trilby.toml, hello.c, a Makefile that builds it with the C compiler of this machine, and a "
                "README.md. "
                "Nothing is overwritten.",
            .examples = "trilby init hello && cd hello && make && echo Ada | trilby invoke hello"};
  }

  [[nodiscard]] Syntax syntax() override {
    Syntax out;
    out.arguments = {
        {"DIR", "where; made when it is not there; the working directory when not given", &directory_, false, {}}};
    return out;
  }

  [[nodiscard]] int run() override {
    const auto compiler = find_wasi_compiler();
    const std::filesystem::path directory = directory_.empty() ? "." : directory_;
    if (const auto written = write_files(directory, compiler.value_or(std::string(kUsualCompiler))); !written) {
      return report(written.error());
    }
    if (!compiler) {
      print_error(fmt::format("trilby: no compiler here makes WebAssembly of C\ntry: {}\n", kInstallCompiler));
    }
    std::string text = "Wrote trilby.toml, hello.c, Makefile and README.md. Next:\n\n";
    text += directory_.empty() ? "" : fmt::format("  cd {}\n", directory.string());
    text += "  make\n  echo Ada | trilby invoke hello\n  trilby up\n";
    return print(text);
  }

 private:
  std::string directory_;
};

}  // namespace

std::unique_ptr<Command> make_init() {
  return std::make_unique<Init>();
}

}  // namespace trilby::cli
