#include "image/command.h"

#include <unistd.h>

namespace image {
namespace {

bool write_all(int fd, Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written <= 0) {
      return false;
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

Result<Buffer> read_input() {
  constexpr std::size_t kFirstSize = 256 * 1024;
  Buffer input = Buffer::allocate(kFirstSize);
  std::size_t used = 0;
  while (input) {
    const ssize_t got = read(STDIN_FILENO, input.data() + used, input.size() - used);
    if (got <= 0) {
      break;
    }
    used += static_cast<std::size_t>(got);
    if (used == input.size() && !input.resize(input.size() * 2)) {
      return out_of_memory();
    }
  }
  if (!input || !input.resize(used)) {
    return out_of_memory();
  }
  return input;
}

ExitCode write_output(Bytes output) {
  return write_all(STDOUT_FILENO, output) ? kOk : kFailed;
}

ExitCode fail(ExitCode code, const std::string& words) {
  const std::string line = words + ".\n";
  write_all(STDERR_FILENO, {reinterpret_cast<const std::uint8_t*>(line.data()), line.size()});
  return code;
}

}  // namespace image
