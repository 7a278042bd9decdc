#include "app/supervisor_process.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/supervisor_child.h"

namespace trilby::app {
namespace {

/// A turn of a loop makes many calls, and each takes and gives back the same few sizes. glibc keeps seven pieces of a
/// size, up to 1 KiB, ready for a thread; with more of them the slow way through its bins is seldom taken. It reads
/// this at exec. What the user has set stays.
std::vector<std::string> allocator_variables() {
  constexpr const char* kName = "GLIBC_TUNABLES";
  return std::getenv(kName) != nullptr
             ? std::vector<std::string>()
             : std::vector{fmt::format("{}=glibc.malloc.tcache_count=127:glibc.malloc.tcache_max=4096", kName)};
}

}  // namespace

Result<WorkerProcess> start_worker(Handover handover, const std::vector<std::string>& more) {
  // As packets: two orders must not be read as one.
  TRILBY_ASSIGN(Pipe reports, make_pipe(O_DIRECT));
  TRILBY_ASSIGN(Pipe orders, make_pipe(O_DIRECT));
  // A worker that does not listen must not make its supervisor wait. The other end waits in poll().
  fcntl(orders.write.get(), F_SETFL, O_NONBLOCK | O_DIRECT);
  handover.reports_fd = reports.write.get();
  handover.orders_fd = orders.read.get();

  Child child;
  child.program = "/proc/self/exe";
  child.arguments = to_arguments(handover);
  child.arguments.insert(child.arguments.begin(), "trilby");
  child.arguments.insert(child.arguments.end(), more.begin(), more.end());
  child.inherited = {handover.manifest_fd, handover.reports_fd, handover.orders_fd, handover.counts_fd};
  for (const Listener& listener : handover.listeners) {
    child.inherited.push_back(listener.socket);
  }
  child.variables = allocator_variables();
  TRILBY_ASSIGN(const pid_t pid, start_child(std::move(child)));
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
