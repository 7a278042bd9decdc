#include "triggers/open_beneath.h"

#include <cerrno>
#include <cstdint>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace trilby::triggers {
namespace {

constexpr int kRead = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY;

FileDescriptor open_checked_by_kernel(int root, const char* path, int flags) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return FileDescriptor(static_cast<int>(::syscall(SYS_openat2, root, path, &how, sizeof how)));
}

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

}  // namespace

PathCheck best_path_check(int folder) {
  return open_checked_by_kernel(folder, ".", O_PATH | O_CLOEXEC) ? PathCheck::Kernel : PathCheck::Segments;
}

FileDescriptor open_beneath(int folder, const std::string& path, PathCheck check) {
  return check == PathCheck::Kernel ? open_checked_by_kernel(folder, path.c_str(), kRead)
                                    : open_by_segments(folder, path);
}

}  // namespace trilby::triggers
