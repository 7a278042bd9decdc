#include "cli/selftest_system.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace trilby::cli {
namespace {

constexpr std::chrono::minutes kStartPatience(5);  // a slow machine compiles every guest
constexpr std::chrono::minutes kStopPatience(1);

std::atomic<bool> was_interrupted{false};

/// What a child of ours needs to become `trilby up`, made before the fork.
class Launch {
 public:
  Launch(std::vector<std::string> arguments, const std::string& secret) : arguments_(std::move(arguments)) {
    for (char** each = environ; *each != nullptr; ++each) {
      const std::string_view setting(*each);
      if (!setting.starts_with("TRILBY_") && !setting.starts_with("APP_API_TOKEN=")) {
        environment_.emplace_back(setting);
      }
    }
    environment_.push_back("HOST_SECRET=" + secret);
    raw_arguments_ = pointers(arguments_);
    raw_environment_ = pointers(environment_);
  }
  Launch(const Launch&) = delete;
  Launch& operator=(const Launch&) = delete;
  ~Launch() = default;

  /// In the child: async-signal-safe calls only.

  [[noreturn]] void become(int output, int log, pid_t parent) {
    // In a group of its own: what a terminal sends is for this process, which then stops the system.
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (getppid() != parent || nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
        dup2(log, STDERR_FILENO) < 0) {
      _exit(EXIT_FAILURE);
    }
    execve("/proc/self/exe", raw_arguments_.data(), raw_environment_.data());
    _exit(EXIT_FAILURE);
  }

 private:
  static std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> out;
    std::transform(texts.begin(), texts.end(), std::back_inserter(out), [](std::string& text) { return text.data(); });
    out.push_back(nullptr);
    return out;
  }

  std::vector<std::string> arguments_;
  std::vector<std::string> environment_;
  std::vector<char*> raw_arguments_;
  std::vector<char*> raw_environment_;
};

/// The number that follows `before` in `text`.
template <typename Number>
bool number_after(std::string_view text, std::string_view before, Number& number) {
  const std::size_t at = text.find(before);
  if (at == std::string_view::npos) {
    return false;
  }
  text.remove_prefix(at + before.size());
  return std::from_chars(text.data(), text.data() + text.size(), number).ec == std::errc{};
}

bool readable_within(int descriptor, std::chrono::milliseconds patience) {
  pollfd polled{descriptor, POLLIN, 0};
  return poll(&polled, 1, static_cast<int>(patience.count())) > 0;
}

}  // namespace

void notice_interruptions() {
  struct sigaction note{};
  note.sa_handler = [](int) { was_interrupted.store(true); };  // without SA_RESTART: what waits is woken
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    sigaction(signal, &note, nullptr);
  }
}

bool interrupted() {
  return was_interrupted.load();
}

Result<PrivateFolder> PrivateFolder::create() {
  std::error_code error;
  std::string path = (std::filesystem::temp_directory_path(error) / "trilby-selftest-XXXXXX").native();
  if (error || mkdtemp(path.data()) == nullptr) {
    return fail(Reason::Internal, "cannot make a folder for temporary files: {}; TMPDIR names another place",
                error ? error.message() : std::strerror(errno));
  }
  return PrivateFolder(path);
}

PrivateFolder::~PrivateFolder() {
  if (!path_.empty()) {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
}

Result<void> PrivateFolder::write(const std::string& name, std::string_view content) const {
  std::ofstream file(path_ / name, std::ios::binary | std::ios::trunc);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  file.close();
  return file ? Result<void>() : fail(Reason::Internal, "cannot write {}", (path_ / name).string());
}

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TestedSystem::Started TestedSystem::start(const std::filesystem::path& folder, const std::string& manifest,
                                          const std::string& secret) {
  const auto cannot = [](std::string_view what) {
    return tl::unexpected(StartFailure{-1, fmt::format("{}: {}", what, std::strerror(errno))});
  };
  const net::Socket log(open((folder / "log").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
  std::array<int, 2> ends{};
  if (!log || pipe2(ends.data(), O_CLOEXEC) != 0) {
    return cannot("cannot prepare the start");
  }
  net::Socket output(ends[0]);
  net::Socket write_end(ends[1]);
  Launch launch({"trilby", "up", (folder / manifest).native(), "-o", "json", "--log-format", "json", "--aot-cache",
                 (folder / "aot").native()},
                secret);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    launch.become(write_end.get(), log.get(), parent);
  }
  if (pid < 0) {
    return cannot("cannot start the supervisor");
  }
  write_end.close();
  std::unique_ptr<TestedSystem> system(new TestedSystem(pid, std::move(output)));
  if (!system->read_addresses()) {
    const int exit_code = system->wait_for_end({});  // it has ended, or never will by itself
    return tl::unexpected(StartFailure{exit_code, content_of(folder / "log")});
  }
  return system;
}

TestedSystem::~TestedSystem() {
  if (supervisor_ != 0) {
    kill(supervisor_, SIGKILL);  // the worker dies with it
    waitpid(supervisor_, nullptr, 0);
  }
}

/// Waits for the line of JSON that says where it serves (app::ready_document).
bool TestedSystem::read_addresses() {
  std::string text;
  std::array<char, 1024> piece{};
  while (text.find('\n') == std::string::npos && readable_within(output_.get(), kStartPatience)) {
    const ssize_t count = read(output_.get(), piece.data(), piece.size());
    if (count <= 0) {
      return false;
    }
    text.append(piece.data(), static_cast<std::size_t>(count));
  }
  address_.host = "127.0.0.1";
  return number_after(text, R"("selftest":{"url":"http://127.0.0.1:)", address_.port) &&
         number_after(text, R"("worker":)", worker_);
}

bool TestedSystem::has_same_worker() const {
  return kill(worker_, 0) == 0;
}

int TestedSystem::stop() {
  kill(supervisor_, SIGTERM);
  return wait_for_end(kStopPatience);
}

int TestedSystem::wait_for_end(std::chrono::milliseconds patience) {
  std::array<char, 1024> piece{};
  ssize_t count = 1;
  while (count > 0 && readable_within(output_.get(), patience)) {
    count = read(output_.get(), piece.data(), piece.size());
  }
  const pid_t pid = std::exchange(supervisor_, 0);
  if (count != 0) {
    kill(pid, SIGKILL);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace trilby::cli
