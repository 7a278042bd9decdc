#include "app/supervisor_process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <iterator>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace trilby::app {
namespace {

struct Pipe {
  net::Socket read;
  net::Socket write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  // As packets: two quick signals must not be read as one.
  if (pipe2(ends.data(), O_CLOEXEC | O_DIRECT) != 0) {
    return fail(Reason::Internal, "cannot make a pipe: {}", std::strerror(errno));
  }
  return Pipe{net::Socket(ends[0]), net::Socket(ends[1])};
}

/// Runs in the child, between fork and exec: async-signal-safe calls only.
[[noreturn]] void become_worker(char* const* arguments, const std::vector<int>& inherited, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) {
    _exit(EXIT_FAILURE);  // the supervisor died before the promise was made
  }
  for (const int descriptor : inherited) {
    fcntl(descriptor, F_SETFD, 0);
  }
  struct sigaction ignore{};
  ignore.sa_handler = SIG_IGN;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) {
    sigaction(signal, &ignore, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execv("/proc/self/exe", arguments);
  _exit(EXIT_FAILURE);
}

}  // namespace

Result<WorkerProcess> start_worker(Handover handover, const std::vector<std::string>& more) {
  TRILBY_ASSIGN(Pipe ready, make_pipe());
  TRILBY_ASSIGN(Pipe stop, make_pipe());
  handover.ready_fd = ready.write.get();
  handover.stop_fd = stop.read.get();

  std::vector<std::string> arguments = to_arguments(handover);
  arguments.insert(arguments.begin(), "trilby");
  arguments.insert(arguments.end(), more.begin(), more.end());
  std::vector<char*> raw;
  std::transform(arguments.begin(), arguments.end(), std::back_inserter(raw),
                 [](std::string& text) { return text.data(); });
  raw.push_back(nullptr);
  std::vector<int> inherited = {handover.manifest_fd, handover.ready_fd, handover.stop_fd};
  for (const Listener& listener : handover.listeners) {
    inherited.push_back(listener.socket);
  }

  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) {
    return fail(Reason::Internal, "cannot start a worker: {}", std::strerror(errno));
  }
  if (pid == 0) {
    become_worker(raw.data(), inherited, parent);
  }
  return WorkerProcess{pid, std::move(ready.read), std::move(stop.write)};
}

Result<net::Socket> make_sealed_file(std::string_view content) {
  net::Socket file(memfd_create("trilby-manifest", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file || write(file.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size()) ||
      fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
    return fail(Reason::Internal, "cannot keep the manifest in memory: {}", std::strerror(errno));
  }
  return file;
}

std::string describe_exit(int status) {
  if (WIFSIGNALED(status)) {
    const char* words = sigdescr_np(WTERMSIG(status));
    return fmt::format("signal {} ({})", WTERMSIG(status), words == nullptr ? "unknown" : words);
  }
  return fmt::format("exit code {}", WEXITSTATUS(status));
}

}  // namespace trilby::app
