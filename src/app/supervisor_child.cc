#include "app/supervisor_child.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <iterator>
#include <string_view>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace trilby::app {
namespace {

constexpr int kCannotExecute = 127;

/// Everything but the standard streams is closed by exec, also what this process has inherited and knows nothing of.
/// Async-signal-safe.
void close_all_on_exec() {
  constexpr unsigned kFirst = STDERR_FILENO + 1;
  if (close_range(kFirst, ~0U, CLOSE_RANGE_CLOEXEC) == 0) {
    return;
  }
  // Some containers refuse what they do not know.
  constexpr rlim_t kMost = 1U << 20U;
  rlimit limit{kMost, kMost};
  getrlimit(RLIMIT_NOFILE, &limit);
  for (rlim_t descriptor = kFirst; descriptor < std::min(limit.rlim_max, kMost); ++descriptor) {
    fcntl(static_cast<int>(descriptor), F_SETFD, FD_CLOEXEC);
  }
}

void handle_signals(bool own_group) {
  struct sigaction action{};
  action.sa_handler = own_group ? SIG_DFL : SIG_IGN;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ}) {
    sigaction(signal, &action, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// Runs in the child, between fork and exec: async-signal-safe calls only. Signals are blocked until they are handled.
[[noreturn]] void become(const Child& child, char* const* arguments, char* const* variables, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) {
    _exit(EXIT_FAILURE);  // the supervisor died before the promise was made
  }
  if (child.own_group) {
    setpgid(0, 0);
  }
  if (child.output >= 0) {
    dup2(child.output, STDOUT_FILENO);
    dup2(child.output, STDERR_FILENO);
  }
  close_all_on_exec();
  for (const int descriptor : child.inherited) {
    fcntl(descriptor, F_SETFD, 0);
  }
  handle_signals(child.own_group);
  execve(child.program.c_str(), arguments, variables);
  constexpr std::string_view kWhy = ": cannot be executed\n";
  (void)!write(STDERR_FILENO, child.program.data(), child.program.size());
  (void)!write(STDERR_FILENO, kWhy.data(), kWhy.size());
  _exit(kCannotExecute);
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  std::transform(texts.begin(), texts.end(), std::back_inserter(out), [](std::string& text) { return text.data(); });
  return out;
}

}  // namespace

Result<pid_t> start_child(Child child) {
  std::vector<char*> arguments = pointers(child.arguments);
  arguments.push_back(nullptr);
  std::vector<char*> variables = pointers(child.variables);
  const auto is_replaced = [&](std::string_view variable) {
    const std::string_view name = variable.substr(0, variable.find('=') + 1);
    return std::any_of(child.variables.begin(), child.variables.end(),
                       [&](const std::string& own) { return own.starts_with(name); });
  };
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!is_replaced(*variable)) {
      variables.push_back(*variable);
    }
  }
  variables.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) {
    return fail(Reason::Internal, "cannot start {}: {}", child.program, std::strerror(errno));
  }
  if (pid == 0) {
    become(child, arguments.data(), variables.data(), parent);
  }
  return pid;
}

Result<Pipe> make_pipe(int flags) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC | flags) != 0) {
    return fail(Reason::Internal, "cannot make a pipe: {}", std::strerror(errno));
  }
  return Pipe{net::Socket(ends[0]), net::Socket(ends[1])};
}

}  // namespace trilby::app
