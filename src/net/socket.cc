#include "net/socket.h"

#include <cerrno>
#include <optional>
#include <string_view>
#include <system_error>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "net/address.h"

namespace trilby::net {
namespace {

// The kernel lowers it to net.core.somaxconn.
constexpr int kBacklog = 4096;

std::string_view advice(int error) {
  switch (error) {
    case EADDRINUSE:
      return "; another program listens there: stop it or choose another port";
    case EADDRNOTAVAIL:
      return "; this machine has no such address";
    case EACCES:
      return "; ports below 1024 need a privilege: choose a higher one";
    default:
      return "";
  }
}

tl::unexpected<Error> cannot_listen(const std::string& host, std::uint16_t port, int error) {
  return fail(Reason::Manifest, "cannot listen on {} port {}: {}{}", host, port, std::generic_category().message(error),
              advice(error));
}

/// \param ask  getsockname or getpeername
std::optional<Address> address_of(int socket, int (*ask)(int, sockaddr*, socklen_t*)) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  if (ask(socket, reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    return std::nullopt;
  }
  return Address(storage, size);
}

}  // namespace

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this != &other) {
    close();
    descriptor_ = other.release();
  }
  return *this;
}

void Socket::close() {
  if (descriptor_ >= 0) {
    ::close(release());
  }
}

Result<Socket> listen_tcp(const std::string& host, std::uint16_t port) {
  const auto address = Address::parse(host, port);
  if (!address) {
    return fail(Reason::Manifest, "cannot listen on \"{}\": not an IP address", host);
  }
  Socket socket(::socket(address->family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) {
    return cannot_listen(host, port, errno);
  }
  const int one = 1;
  setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (address->family() == AF_INET6) {
    setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
  }
  if (bind(socket.get(), address->get(), address->size()) != 0 || listen(socket.get(), kBacklog) != 0) {
    return cannot_listen(host, port, errno);
  }
  return socket;
}

Result<std::vector<std::uint16_t>> free_ports(const std::string& host, std::size_t count,
                                              const std::set<std::uint16_t>& taken) {
  std::vector<Socket> held;  // so that the next one is another
  std::vector<std::uint16_t> ports;
  while (ports.size() < count) {
    TRILBY_ASSIGN(Socket socket, listen_tcp(host, 0));
    const std::uint16_t port = local_port(socket.get());
    if (!taken.contains(port)) {
      ports.push_back(port);
    }
    held.push_back(std::move(socket));
  }
  return ports;
}

std::uint16_t local_port(int socket) {
  const auto address = address_of(socket, getsockname);
  return address ? address->port() : std::uint16_t{0};
}

bool is_loopback(int socket) {
  const auto address = address_of(socket, getsockname);
  return address && address->is_loopback();
}

bool is_loopback(std::string_view authority) {
  const std::size_t bracket = authority.rfind(']');
  const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  const std::string_view host = authority.substr(0, colon);
  const bool is_v6 = !host.empty() && host.front() == '[';
  const auto address =
      is_v6 || host.find(':') == std::string_view::npos ? Address::parse(std::string(host), 0) : std::nullopt;
  return address ? address->is_loopback() : equal_ignoring_case(host, "localhost");
}

std::string peer_name(int socket) {
  const auto address = address_of(socket, getpeername);
  return address ? address->text() : std::string();
}

}  // namespace trilby::net
