#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wasm/inspect.h"

namespace trilby::wasm {
namespace {

Result<std::vector<std::byte>> read_open(int fd, const std::string& path) {
  struct stat status{};
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    return fail(Reason::Manifest, "{} is no regular file", path);
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > kMaxModule.count) {
    return fail(Reason::Manifest, "{} is {} bytes long; modules may have {}", path, size, format(kMaxModule));
  }
  std::vector<std::byte> bytes(size);
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = read(fd, bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return fail(Reason::Manifest, "{} cannot be read whole: it changed while it was read", path);
    }
    filled += static_cast<std::size_t>(got);
  }
  return bytes;
}

}  // namespace

Result<std::vector<std::byte>> read_module(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe must not hold us up
  if (fd < 0) {
    return fail(Reason::Manifest, "{} cannot be opened: {}", path, std::system_category().message(errno));
  }
  auto bytes = read_open(fd, path);
  close(fd);
  return bytes;
}

}  // namespace trilby::wasm
