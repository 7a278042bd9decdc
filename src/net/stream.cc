#include "net/stream.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <tuple>
#include <utility>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "net/tls_session.h"

namespace trilby::net {

namespace asio = boost::asio;
using boost::system::error_code;

// Shared with the operations under way, which outlast the stream by one turn of the loop.
struct Stream::Impl : std::enable_shared_from_this<Stream::Impl> {
  explicit Impl(Loop& loop) : socket(loop.context()) {}

  asio::ip::tcp::socket socket;
  Listener* listener = nullptr;  // null: closed
  std::unique_ptr<char[]> buffer;
  std::size_t capacity = 0;
  std::size_t begin = 0;  // what waits is [begin, end)
  std::size_t end = 0;
  bool receiving = false;
  bool waiting = false;
  std::unique_ptr<TlsSession> tls;  // null: what comes and goes is not encrypted

  /// Moves what waits to the front of a buffer of `wanted` bytes, or more when that is needed to hold it.
  void arrange(std::size_t wanted) {
    const std::size_t size = end - begin;
    if (const std::size_t needed = std::max(wanted, size); needed != capacity) {
      auto larger = std::make_unique_for_overwrite<char[]>(needed);
      std::copy_n(buffer.get() + begin, size, larger.get());
      buffer = std::move(larger);
      capacity = needed;
    } else if (begin != 0) {
      std::memmove(buffer.get(), buffer.get() + begin, size);
    }
    begin = 0;
    end = size;
  }

  void close() {
    listener = nullptr;
    error_code ignored;
    socket.close(ignored);
  }

  void received(const error_code& error, std::size_t bytes) {
    receiving = false;
    if (listener == nullptr) {
      return;
    }
    end += bytes;
    if (!error) {
      listener->on_input(Input::More);
    } else {
      listener->on_input(error == asio::error::eof ? Input::End : Input::Failed);
    }
  }

  // ---- with TLS

  void receive_encrypted() {
    if (tls->wants_input()) {
      await_encrypted();
    } else {
      asio::post(socket.get_executor(), [impl = shared_from_this()] { impl->decrypt(); });
    }
  }

  void await_encrypted() {
    const std::span<char> room = tls->input_room(capacity);
    socket.async_read_some(asio::buffer(room.data(), room.size()),
                           [impl = shared_from_this()](const error_code& error, std::size_t bytes) {
                             if (!error) {
                               impl->tls->take_input(bytes);
                             } else if (error == asio::error::eof) {
                               impl->tls->end_input();
                             } else {
                               return impl->received(error, 0);
                             }
                             impl->decrypt();
                           });
  }

  /// Takes what text there is, or sees to it that there will be some.
  void decrypt() {
    if (listener == nullptr) {
      receiving = false;
      return;
    }
    const bool was_shaking_hands = tls->is_shaking_hands();
    TlsSession::Outcome outcome{};
    std::size_t got = 0;
    do {
      std::size_t more = 0;
      outcome = tls->read({buffer.get() + end + got, capacity - end - got}, more);
      got += more;
    } while (outcome == TlsSession::Outcome::Text && end + got < capacity && !tls->wants_input());
    if (got > 0 || was_shaking_hands != tls->is_shaking_hands()) {
      return received({}, got);
    }
    switch (outcome) {
      case TlsSession::Outcome::WantsInput:
        return await_encrypted();
      case TlsSession::Outcome::WantsRoom:
        return socket.async_wait(asio::socket_base::wait_write,
                                 [impl = shared_from_this()](const error_code&) { impl->decrypt(); });
      case TlsSession::Outcome::Ended:
        return received(asio::error::eof, 0);
      default:
        return received(asio::error::connection_aborted, 0);
    }
  }
};

Stream::Stream(Loop& loop, Socket socket, Listener& listener) : Stream(loop, std::move(socket), nullptr, listener) {}

Stream::Stream(Loop& loop, Socket socket, std::shared_ptr<const TlsContext> tls, Listener& listener)
    : impl_(std::make_shared<Impl>(loop)) {
  impl_->listener = &listener;
  if (tls) {
    impl_->tls = std::make_unique<TlsSession>(std::move(tls), socket.get());
  }
  const int one = 1;
  setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  error_code error;
  impl_->socket.assign(asio::ip::tcp::v4(), socket.get(), error);  // the family matters to nothing that is used here
  if (!error) {
    std::ignore = socket.release();  // Asio's now
    impl_->socket.non_blocking(true, error);
  }
}

Stream::Stream(Stream&& other, Listener& listener) : impl_(std::move(other.impl_)) {
  impl_->listener = &listener;
}

Stream::~Stream() {
  if (impl_) {
    close();
  }
}

std::string_view Stream::input() const {
  return {impl_->buffer.get() + impl_->begin, impl_->end - impl_->begin};
}

void Stream::consume(std::size_t bytes) {
  impl_->begin += bytes;
}

void Stream::receive(std::size_t capacity) {
  if (impl_->receiving || impl_->end - impl_->begin >= capacity) {
    return;
  }
  impl_->arrange(capacity);
  impl_->receiving = true;
  if (impl_->tls) {
    return impl_->receive_encrypted();
  }
  impl_->socket.async_read_some(
      asio::buffer(impl_->buffer.get() + impl_->end, impl_->capacity - impl_->end),
      [impl = impl_](const error_code& error, std::size_t bytes) { impl->received(error, bytes); });
}

bool Stream::is_silent() const {
  if (impl_->tls && !impl_->tls->wants_input()) {
    return false;
  }
  char byte = 0;
  ssize_t seen = 0;
  do {
    seen = recv(impl_->socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  } while (seen < 0 && errno == EINTR);
  return seen < 0 && errno == EAGAIN;
}

bool Stream::is_shaking_hands() const {
  return impl_->tls && impl_->tls->is_shaking_hands();
}

observe::HandshakeEnd Stream::handshake_failure() const {
  return impl_->tls ? impl_->tls->handshake_failure() : observe::HandshakeEnd::Closed;
}

std::string_view Stream::protocol() const {
  return impl_->tls ? impl_->tls->protocol() : std::string_view();
}

std::optional<std::size_t> Stream::write(std::span<const std::string_view> pieces) {
  if (impl_->tls) {
    return impl_->tls->write(pieces, kMostAtOnce);
  }
  std::array<iovec, 4> vectors{};
  const std::size_t count = std::min(pieces.size(), vectors.size());
  for (std::size_t i = 0; i < count; ++i) {
    vectors[i] = {const_cast<char*>(pieces[i].data()), pieces[i].size()};
  }
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = count;
  ssize_t written = 0;
  do {
    written = sendmsg(impl_->socket.native_handle(), &message, MSG_NOSIGNAL);
  } while (written < 0 && errno == EINTR);
  if (written < 0) {
    return errno == EAGAIN ? std::optional<std::size_t>(0) : std::nullopt;
  }
  return static_cast<std::size_t>(written);
}

void Stream::wait_writable() {
  if (std::exchange(impl_->waiting, true)) {
    return;
  }
  impl_->socket.async_wait(asio::socket_base::wait_write, [impl = impl_](const error_code&) {
    impl->waiting = false;
    if (impl->listener != nullptr) {
      impl->listener->on_writable();  // a failure shows when it writes
    }
  });
}

void Stream::shutdown_send() {
  if (impl_->tls) {
    impl_->tls->end_output();
  }
  ::shutdown(impl_->socket.native_handle(), SHUT_WR);
}

void Stream::close() {
  if (impl_->tls && impl_->listener != nullptr) {
    impl_->tls->end_output();
  }
  impl_->close();
}

void Stream::abort() {
  const linger reset{.l_onoff = 1, .l_linger = 0};
  setsockopt(impl_->socket.native_handle(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
  impl_->close();
}

}  // namespace trilby::net
