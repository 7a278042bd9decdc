#include "triggers/open_beneath.h"

#include <atomic>
#include <cerrno>
#include <cstdint>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace trilby::triggers {
namespace {

constexpr int kRead = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY;

}  // namespace

FileDescriptor open_by_segments(int root, const std::string& path) {
  FileDescriptor folder;
  for (std::size_t begin = 0;;) {
    const std::size_t end = path.find('/', begin);
    const std::string segment = path.substr(begin, end == std::string::npos ? end : end - begin);
    if (segment.empty() || segment == "." || segment == "..") {
      errno = ENOENT;
      return {};
    }
    const int from = folder ? folder.get() : root;
    if (end == std::string::npos) {
      return FileDescriptor(::openat(from, segment.c_str(), kRead));
    }
    folder = FileDescriptor(::openat(from, segment.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder) {
      return {};
    }
    begin = end + 1;
  }
}

FileDescriptor open_beneath(int root, const std::string& path) {
  static std::atomic<bool> kernel_checks{true};
  if (!kernel_checks.load(std::memory_order_relaxed)) {
    return open_by_segments(root, path);
  }
  open_how how{};
  how.flags = static_cast<std::uint64_t>(kRead);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const long fd = ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
  if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
    // EPERM: how containers' seccomp profiles answer a call they do not know; a file's own refusal is EACCES.
    kernel_checks.store(false, std::memory_order_relaxed);
    return open_by_segments(root, path);
  }
  return FileDescriptor(static_cast<int>(fd));
}

}  // namespace trilby::triggers
