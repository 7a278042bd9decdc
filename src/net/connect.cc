#include "net/connect.h"

#include <cerrno>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>

#include <boost/asio/ip/tcp.hpp>
#include <sys/socket.h>

namespace trilby::net {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

/// Whether the fault is this machine's, and not the peer's.
bool is_shortage(int error) {
  switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case EAGAIN:
    case EADDRNOTAVAIL:
      return true;
    default:
      return false;
  }
}

}  // namespace

// Shared with the wait under way, which outlasts the attempt by one turn of the loop.
struct Connect::Impl {
  Impl(Loop& loop, const Address& to, Done given)
      : peer(to.text()), done(std::move(given)), socket(loop.context()), later(loop), timer(loop) {}

  const std::string peer;
  Done done;  // null: over
  asio::ip::tcp::socket socket;
  Deferred later;
  Timer timer;

  void finish(Result<Socket> result) {
    later.cancel();
    timer.cancel();
    error_code ignored;
    socket.close(ignored);
    if (const auto told = std::exchange(done, nullptr)) {
      told(std::move(result));
    }
  }

  void failed(int error) {
    finish(fail(is_shortage(error) ? Reason::Overloaded : Reason::UpstreamFailed, "{}: cannot connect: {}", peer,
                std::generic_category().message(error)));
  }

  void begin(const Address& to) {
    Socket made(::socket(to.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    int error = made ? 0 : errno;
    if (error == 0 && ::connect(made.get(), to.get(), to.size()) != 0 && errno != EINPROGRESS) {
      error = errno;
    }
    error_code assigned;
    if (error == 0) {
      socket.assign(asio::ip::tcp::v4(), made.get(), assigned);  // the family matters to nothing that is used here
      if (assigned) {
        error = assigned.value();
      } else {
        std::ignore = made.release();  // Asio's now
      }
    }
    if (error != 0) {
      later.start([this, error] { failed(error); });
    }
  }

  void writable() {
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(socket.native_handle(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
      error = errno;
    }
    if (error != 0) {
      return failed(error);
    }
    error_code released;
    const int descriptor = socket.release(released);
    return released ? failed(released.value()) : finish(Socket(descriptor));
  }
};

Connect::Connect(Loop& loop, const Address& to, Duration timeout, Done done)
    : impl_(std::make_shared<Impl>(loop, to, std::move(done))) {
  impl_->begin(to);
  if (impl_->later.started()) {
    return;
  }
  impl_->timer.start(timeout, [impl = impl_.get(), timeout] {
    impl->finish(fail(Reason::UpstreamFailed, "{}: cannot connect: no answer within {}", impl->peer, format(timeout)));
  });
  impl_->socket.async_wait(asio::socket_base::wait_write, [impl = impl_](const error_code& error) {
    if (impl->done && !error) {
      impl->writable();
    }
  });
}

Connect::~Connect() {
  impl_->done = nullptr;
  impl_->finish(fail(Reason::Cancelled, "given up"));
}

}  // namespace trilby::net
