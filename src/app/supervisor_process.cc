#include "app/supervisor_process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string_view>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
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
  // As packets: two orders must not be read as one.
  if (pipe2(ends.data(), O_CLOEXEC | O_DIRECT) != 0) {
    return fail(Reason::Internal, "cannot make a pipe: {}", std::strerror(errno));
  }
  return Pipe{net::Socket(ends[0]), net::Socket(ends[1])};
}

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

/// Runs in the child, between fork and exec: async-signal-safe calls only. Signals are blocked until they are ignored.
[[noreturn]] void become_worker(char* const* arguments, const std::vector<int>& inherited, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) {
    _exit(EXIT_FAILURE);  // the supervisor died before the promise was made
  }
  close_all_on_exec();
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
  constexpr std::string_view kWhy = "trilby: cannot start a worker: /proc/self/exe cannot be executed\n";
  (void)!write(STDERR_FILENO, kWhy.data(), kWhy.size());
  _exit(EXIT_FAILURE);
}

/// A turn of a loop makes many calls, and each takes and gives back the same few sizes. glibc keeps seven pieces of a size,
/// up to 1 KiB, ready for a thread; with more of them the slow way through its bins is seldom taken. It reads this at exec.
/// What the user has set stays.
void prepare_allocator() {
  setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=127:glibc.malloc.tcache_max=4096", 0);
}

}  // namespace

Result<WorkerProcess> start_worker(Handover handover, const std::vector<std::string>& more) {
  TRILBY_ASSIGN(Pipe reports, make_pipe());
  TRILBY_ASSIGN(Pipe orders, make_pipe());
  // A worker that does not listen must not make its supervisor wait. The other end waits in poll().
  fcntl(orders.write.get(), F_SETFL, O_NONBLOCK | O_DIRECT);
  handover.reports_fd = reports.write.get();
  handover.orders_fd = orders.read.get();

  std::vector<std::string> arguments = to_arguments(handover);
  arguments.insert(arguments.begin(), "trilby");
  arguments.insert(arguments.end(), more.begin(), more.end());
  std::vector<char*> raw;
  std::transform(arguments.begin(), arguments.end(), std::back_inserter(raw),
                 [](std::string& text) { return text.data(); });
  raw.push_back(nullptr);
  std::vector<int> inherited = {handover.manifest_fd, handover.reports_fd, handover.orders_fd};
  for (const Listener& listener : handover.listeners) {
    inherited.push_back(listener.socket);
  }

  prepare_allocator();
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) {
    return fail(Reason::Internal, "cannot start a worker: {}", std::strerror(errno));
  }
  if (pid == 0) {
    become_worker(raw.data(), inherited, parent);
  }
  return WorkerProcess{pid, std::move(reports.read), std::move(orders.write)};
}

bool tell(const WorkerProcess& worker, Order order) {
  const char byte = static_cast<char>(order);
  return write(worker.orders.get(), &byte, 1) == 1;
}

std::optional<Report> read_report(const WorkerProcess& worker) {
  char byte = 0;
  return read(worker.reports.get(), &byte, 1) == 1 ? std::optional(static_cast<Report>(byte)) : std::nullopt;
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
