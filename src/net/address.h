/// \file  IP addresses with a port.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <sys/socket.h>

namespace trilby::net {

/// Where a TCP socket is bound or connected to. A value.
class Address {
 public:
  /// \param host  an IPv4 or IPv6 literal, the latter with or without brackets; names are not resolved
  [[nodiscard]] static std::optional<Address> parse(std::string host, std::uint16_t port);
  /// What getsockname() or getpeername() gave, or accept().
  Address(const sockaddr_storage& storage, socklen_t size) : storage_(storage), size_(size) {}

  [[nodiscard]] int family() const { return storage_.ss_family; }  ///< AF_INET or AF_INET6
  [[nodiscard]] std::uint16_t port() const;                        ///< 0 for any other family
  [[nodiscard]] bool is_loopback() const;                          ///< 127.0.0.0/8 or ::1: this machine alone
  /// "127.0.0.1:40212" or "[::1]:40212": one text for one address. Empty for any other family.
  [[nodiscard]] std::string text() const;

  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  [[nodiscard]] socklen_t size() const { return size_; }

 private:
  sockaddr_storage storage_;
  socklen_t size_;
};

}  // namespace trilby::net
