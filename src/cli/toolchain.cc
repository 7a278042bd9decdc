#include "cli/toolchain.h"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace trilby::cli {
namespace {

/// A folder that is gone with its owner.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::error_code error;
    std::string name = (std::filesystem::temp_directory_path(error) / "trilby-XXXXXX").string();
    path_ = mkdtemp(name.data()) == nullptr ? "" : name;
  }
  ~TemporaryFolder() {
    std::error_code error;
    if (!path_.empty()) {
      std::filesystem::remove_all(path_, error);
    }
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

bool builds(const std::string& compiler, const std::string& source, const std::string& module) {
  std::array<const char*, 7> arguments = {compiler.c_str(), "--target=wasm32-wasi", "-O1",  "-o",
                                          module.c_str(),   source.c_str(),         nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (const int descriptor : {STDOUT_FILENO, STDERR_FILENO}) {
    posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_WRONLY, 0);
  }
  pid_t pid = 0;
  const int started =
      posix_spawnp(&pid, compiler.c_str(), &actions, nullptr, const_cast<char* const*>(arguments.data()), environ);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  return started == 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

std::optional<std::string> find_wasi_compiler() {
  const TemporaryFolder folder;
  const std::string source = folder.path() / "t.c";
  const std::string module = folder.path() / "t.wasm";
  std::ofstream(source) << "#include <stdio.h>\nint main(void) { return getchar(); }\n";
  for (const char* compiler : {"clang-14", "clang", "clang-15", "clang-16", "clang-17", "clang-18", "clang-19"}) {
    if (builds(compiler, source, module)) {
      return compiler;
    }
  }
  return std::nullopt;
}

}  // namespace trilby::cli
