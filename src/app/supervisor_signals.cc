#include "app/supervisor_signals.h"

#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace trilby::app {
namespace {

bool open_terminal() {
  return static_cast<bool>(net::Socket(open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK)));
}

void open_standard_streams() {
  int descriptor = 0;
  do {
    descriptor = open("/dev/null", O_RDWR | O_CLOEXEC);  // the lowest number that is free
    if (descriptor >= 0 && descriptor <= STDERR_FILENO) {
      fcntl(descriptor, F_SETFD, 0);
    }
  } while (descriptor >= 0 && descriptor <= STDERR_FILENO);
  net::Socket(descriptor).close();
}

}  // namespace

Result<Signals> Signals::watch() {
  open_standard_streams();
  Signals signals;
  signals.has_terminal_ = open_terminal();
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) {
    struct sigaction before{};
    sigaction(signal, nullptr, &before);
    signals.outlives_terminal_ |= signal == SIGHUP && before.sa_handler == SIG_IGN;
    struct sigaction standard{};
    standard.sa_handler = SIG_DFL;
    sigaction(signal, &standard, nullptr);
    sigaddset(&set, signal);
  }
  sigprocmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // a worker may die before it is asked to stop
  std::signal(SIGXFSZ, SIG_IGN);  // the log's disk may be full
  signals.descriptor_ = net::Socket(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals.descriptor_) {
    return fail(Reason::Internal, "cannot watch for signals: {}", std::strerror(errno));
  }
  return signals;
}

int Signals::next() {
  signalfd_siginfo signal{};
  return read(descriptor_.get(), &signal, sizeof signal) == sizeof signal ? static_cast<int>(signal.ssi_signo) : 0;
}

Signals::Hangup Signals::hangup() {
  if (!has_terminal_ || open_terminal()) {
    return Hangup::Asked;
  }
  has_terminal_ = false;  // from now on only people send it
  return outlives_terminal_ ? Hangup::Ignored : Hangup::TerminalGone;
}

}  // namespace trilby::app
