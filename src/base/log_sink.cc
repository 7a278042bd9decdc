#include "base/log_sink.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace trilby::log {
namespace {

// PIPE_BUF: a write of this size is whole or not at all, whoever else writes.
constexpr std::size_t kAtomicWrite = 4096;

}  // namespace

Sink::Sink(int fd) {
  struct stat status{};
  if (fd < 0 || ::fstat(fd, &status) != 0) {
    return;
  }
  if (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)) {
    fd_ = ::open(fmt::format("/proc/self/fd/{}", fd).c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    kind_ = Kind::NonBlocking;
  }
  if (fd_ < 0) {
    fd_ = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
    kind_ = S_ISSOCK(status.st_mode) ? Kind::Socket : Kind::Polled;
  }
}

Sink::~Sink() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

std::int64_t Sink::write_some(std::string_view piece) const {
  if (kind_ == Kind::Socket) {
    return ::send(fd_, piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  pollfd ready{fd_, POLLOUT, 0};
  if (kind_ == Kind::Polled && fd_ >= 0 && ::poll(&ready, 1, 0) == 0) {
    errno = EAGAIN;
    return -1;
  }
  return ::write(fd_, piece.data(), piece.size());
}

Sink::Written Sink::write(std::string_view lines) {
  Written done;
  while (done.bytes < lines.size()) {
    std::string_view piece = lines.substr(done.bytes, kAtomicWrite);
    if (const std::size_t end = piece.rfind('\n'); end != std::string_view::npos) {
      piece = piece.substr(0, end + 1);
    }
    const std::int64_t count = write_some(torn_ ? "\n" : piece);
    if (count > 0) {
      const auto written = static_cast<std::size_t>(count);
      last_ = torn_ ? '\n' : piece[written - 1];
      done.bytes += torn_ ? 0 : written;
      torn_ = false;
    } else if (count == 0 || errno == EAGAIN) {
      return done;
    } else if (errno != EINTR) {
      torn_ = last_ != '\n';
      done.lost_lines = static_cast<std::size_t>(
          std::count(lines.begin() + static_cast<std::ptrdiff_t>(done.bytes), lines.end(), '\n'));
      done.bytes = lines.size();
    }
  }
  return done;
}

void Sink::wait_for_room(int milliseconds) const {
  pollfd ready{fd_, POLLOUT, 0};
  (void)::poll(&ready, 1, milliseconds);
}

}  // namespace trilby::log
