#include "net/socket.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <system_error>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"

namespace trilby::net {
namespace {

// The kernel lowers it to net.core.somaxconn.
constexpr int kBacklog = 4096;

struct Address {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

std::optional<Address> parse(std::string host, std::uint16_t port) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  Address address;
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    address.size = sizeof(v4);
    std::memcpy(&address.storage, &v4, sizeof(v4));
  } else if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    address.size = sizeof(v6);
    std::memcpy(&address.storage, &v6, sizeof(v6));
  } else {
    return std::nullopt;
  }
  return address;
}

bool is_loopback(const Address& address) {
  if (address.storage.ss_family == AF_INET) {
    constexpr std::uint32_t kFirstByte = 24;
    return ntohl(reinterpret_cast<const sockaddr_in&>(address.storage).sin_addr.s_addr) >> kFirstByte == IN_LOOPBACKNET;
  }
  return address.storage.ss_family == AF_INET6 &&
         IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6&>(address.storage).sin6_addr);
}

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

std::uint16_t port_of(const sockaddr_storage& address) {
  switch (address.ss_family) {
    case AF_INET:
      return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
    case AF_INET6:
      return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
    default:
      return 0;
  }
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
  auto address = parse(host, port);
  if (!address) {
    return fail(Reason::Manifest, "cannot listen on \"{}\": not an IP address", host);
  }
  Socket socket(::socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) {
    return cannot_listen(host, port, errno);
  }
  const int one = 1;
  setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (address->storage.ss_family == AF_INET6) {
    setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
  }
  if (bind(socket.get(), address->get(), address->size) != 0 || listen(socket.get(), kBacklog) != 0) {
    return cannot_listen(host, port, errno);
  }
  return socket;
}

std::uint16_t local_port(int socket) {
  Address address;
  return getsockname(socket, address.get(), &address.size) == 0 ? port_of(address.storage) : std::uint16_t{0};
}

bool is_loopback(int socket) {
  Address address;
  return getsockname(socket, address.get(), &address.size) == 0 && is_loopback(address);
}

bool is_loopback(std::string_view authority) {
  const std::size_t bracket = authority.rfind(']');
  const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  const std::string_view host = authority.substr(0, colon);
  const bool is_v6 = !host.empty() && host.front() == '[';
  const auto address = is_v6 || host.find(':') == std::string_view::npos ? parse(std::string(host), 0) : std::nullopt;
  return address ? is_loopback(*address) : equal_ignoring_case(host, "localhost");
}

std::string peer_name(int socket) {
  Address address;
  if (getpeername(socket, address.get(), &address.size) != 0) {
    return {};
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool is_v6 = address.storage.ss_family == AF_INET6;
  const void* bytes = is_v6 ? static_cast<const void*>(&reinterpret_cast<sockaddr_in6&>(address.storage).sin6_addr)
                            : static_cast<const void*>(&reinterpret_cast<sockaddr_in&>(address.storage).sin_addr);
  if (inet_ntop(address.storage.ss_family, bytes, text.data(), text.size()) == nullptr) {
    return {};
  }
  const std::uint16_t port = port_of(address.storage);
  return is_v6 ? fmt::format("[{}]:{}", text.data(), port) : fmt::format("{}:{}", text.data(), port);
}

}  // namespace trilby::net
