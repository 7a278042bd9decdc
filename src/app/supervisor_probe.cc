#include "app/supervisor_probe.h"

#include <array>
#include <cerrno>
#include <string_view>

#include <arpa/inet.h>
#include <sys/socket.h>

namespace trilby::app {
namespace {

using namespace std::chrono_literals;

constexpr Duration kPatience = 1s;
constexpr std::string_view kGood = "HTTP/1.1 2";

/// A socket that connects to a port of its own machine where nobody listens may be given that very port, and then it
/// speaks with itself and keeps the port from who wants to listen there.
bool speaks_with_itself(int socket) {
  sockaddr_in own{};
  sockaddr_in peer{};
  socklen_t own_size = sizeof own;
  socklen_t peer_size = sizeof peer;
  return getsockname(socket, reinterpret_cast<sockaddr*>(&own), &own_size) == 0 &&
         getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &peer_size) == 0 && own.sin_port == peer.sin_port &&
         own.sin_addr.s_addr == peer.sin_addr.s_addr;
}

}  // namespace

pollfd SidecarProbe::polled() const {
  return {connection_.get(), static_cast<short>(sent_ ? POLLIN : POLLOUT), 0};
}

bool SidecarProbe::advance(Clock::time_point now) {
  if (!connection_ && now < next_) {
    return false;
  }
  const bool late = connection_ && now >= next_;
  if (!connection_) {
    next_ = now + kPatience;
  }
  Verdict verdict = attempt();
  if (verdict == Verdict::Waiting && late) {
    verdict = Verdict::NotReady;
  }
  if (verdict == Verdict::Waiting) {
    return false;
  }
  connection_.close();
  sent_ = false;
  answer_.clear();
  failed_ = failed_ || verdict == Verdict::NotReady;
  next_ = now + backoff_.next();
  return verdict == Verdict::Ready;
}

SidecarProbe::Verdict SidecarProbe::attempt() {
  if (!connection_) {
    if (const Verdict begun = begin(); begun != Verdict::Waiting) {
      return begun;
    }
  }
  if (!sent_) {
    if (const Verdict sent = send_request(); sent != Verdict::Waiting || !sent_) {
      return sent;
    }
  }
  while (answer_.size() < kGood.size()) {
    std::array<char, 64> piece;
    const ssize_t count = recv(connection_.get(), piece.data(), piece.size(), 0);
    if (count < 0 && errno == EAGAIN) {
      return Verdict::Waiting;
    }
    if (count <= 0) {
      return Verdict::NotReady;
    }
    answer_.append(piece.data(), static_cast<std::size_t>(count));
  }
  return answer_.starts_with(kGood) ? Verdict::Ready : Verdict::NotReady;
}

SidecarProbe::Verdict SidecarProbe::begin() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(sidecar_.port);
  connection_ = net::Socket(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!connection_ || inet_pton(AF_INET, sidecar_.host.c_str(), &address.sin_addr) != 1) {
    return Verdict::NotReady;
  }
  const int connected = connect(connection_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  return connected == 0 || errno == EINPROGRESS ? Verdict::Waiting : Verdict::NotReady;
}

/// Once the connection stands.
SidecarProbe::Verdict SidecarProbe::send_request() {
  pollfd writable{connection_.get(), POLLOUT, 0};
  if (poll(&writable, 1, 0) == 0) {
    return Verdict::Waiting;
  }
  if (speaks_with_itself(connection_.get())) {
    const linger at_once{1, 0};  // so that the port is free
    setsockopt(connection_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    return Verdict::NotReady;
  }
  const std::string request =
      fmt::format("GET /v1.0/healthz/outbound HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", format(sidecar_));
  // So little goes in one piece or, where the connection was refused, not at all.
  if (send(connection_.get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) {
    return Verdict::NotReady;
  }
  sent_ = true;
  return Verdict::Waiting;
}

}  // namespace trilby::app
