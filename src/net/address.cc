#include "net/address.h"

#include <array>
#include <cstring>

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>

namespace trilby::net {

std::optional<Address> Address::parse(std::string host, std::uint16_t port) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  sockaddr_storage storage{};
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&storage, &v4, sizeof(v4));
    return Address(storage, sizeof(v4));
  }
  if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::memcpy(&storage, &v6, sizeof(v6));
    return Address(storage, sizeof(v6));
  }
  return std::nullopt;
}

std::uint16_t Address::port() const {
  switch (family()) {
    case AF_INET:
      return ntohs(reinterpret_cast<const sockaddr_in&>(storage_).sin_port);
    case AF_INET6:
      return ntohs(reinterpret_cast<const sockaddr_in6&>(storage_).sin6_port);
    default:
      return 0;
  }
}

bool Address::is_loopback() const {
  if (family() == AF_INET) {
    constexpr std::uint32_t kFirstByte = 24;
    return ntohl(reinterpret_cast<const sockaddr_in&>(storage_).sin_addr.s_addr) >> kFirstByte == IN_LOOPBACKNET;
  }
  return family() == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6&>(storage_).sin6_addr);
}

std::string Address::text() const {
  std::array<char, INET6_ADDRSTRLEN> digits{};
  const bool is_v6 = family() == AF_INET6;
  const void* bytes = is_v6 ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in6&>(storage_).sin6_addr)
                            : static_cast<const void*>(&reinterpret_cast<const sockaddr_in&>(storage_).sin_addr);
  if (inet_ntop(family(), bytes, digits.data(), digits.size()) == nullptr) {
    return {};
  }
  return is_v6 ? fmt::format("[{}]:{}", digits.data(), port()) : fmt::format("{}:{}", digits.data(), port());
}

}  // namespace trilby::net
