#include "app/small_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/environment.h"

namespace trilby::app {
namespace {

/// Closes a descriptor at the end of a scope.
struct Descriptor {
  explicit Descriptor(int opened) : fd(opened) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) {
      close(fd);
    }
  }
  const int fd;
};

}  // namespace

Result<std::vector<char>> read_small_file(const std::filesystem::path& path, std::size_t most) {
  // Not blocking, for what is named may be a pipe that nobody writes to.
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status{};
  if (file.fd < 0 || fstat(file.fd, &status) != 0) {
    return fail(Reason::Manifest, "{} cannot be read: {}", path.string(), std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) {
    return fail(Reason::Manifest, "{} is no regular file", path.string());
  }
  std::vector<char> value(most);
  std::size_t size = 0;
  while (size < value.size()) {
    const ssize_t count = read(file.fd, value.data() + size, value.size() - size);
    if (count < 0 && errno != EINTR) {
      const int error = errno;
      policy::wipe(value.data(), value.size());
      return fail(Reason::Manifest, "{} cannot be read: {}", path.string(), std::strerror(error));
    }
    if (count == 0) {
      break;
    }
    size += static_cast<std::size_t>(std::max<ssize_t>(count, 0));
  }
  value.resize(size);  // never reallocates
  return value;
}

}  // namespace trilby::app
