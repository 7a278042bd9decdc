#include "net/stream.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <tuple>
#include <utility>

#include <boost/asio/ip/tcp.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace trilby::net {

namespace asio = boost::asio;
using boost::system::error_code;

// Shared with the operations under way, which outlast the stream by one turn of the loop.
struct Stream::Impl {
  explicit Impl(Loop& loop) : socket(loop.context()) {}

  asio::ip::tcp::socket socket;
  Listener* listener = nullptr;  // null: closed
  std::unique_ptr<char[]> buffer;
  std::size_t capacity = 0;
  std::size_t begin = 0;  // what waits is [begin, end)
  std::size_t end = 0;
  bool receiving = false;
  bool waiting = false;

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
};

Stream::Stream(Loop& loop, Socket socket, Listener& listener) : impl_(std::make_shared<Impl>(loop)) {
  impl_->listener = &listener;
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
  impl_->socket.async_read_some(
      asio::buffer(impl_->buffer.get() + impl_->end, impl_->capacity - impl_->end),
      [impl = impl_](const error_code& error, std::size_t bytes) { impl->received(error, bytes); });
}

bool Stream::is_silent() const {
  char byte = 0;
  ssize_t seen = 0;
  do {
    seen = recv(impl_->socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  } while (seen < 0 && errno == EINTR);
  return seen < 0 && errno == EAGAIN;
}

std::optional<std::size_t> Stream::write(std::span<const std::string_view> pieces) {
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
  ::shutdown(impl_->socket.native_handle(), SHUT_WR);
}

void Stream::close() {
  impl_->listener = nullptr;
  error_code ignored;
  impl_->socket.close(ignored);
}

void Stream::abort() {
  const linger reset{.l_onoff = 1, .l_linger = 0};
  setsockopt(impl_->socket.native_handle(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
  close();
}

}  // namespace trilby::net
