/// \file  TCP sockets as owned values, and how to make a listening one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace trilby::net {

/// Owns a socket's descriptor (or any other: it is only closed). Movable.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  Socket(Socket&& other) noexcept : descriptor_(other.release()) {}
  Socket& operator=(Socket&& other) noexcept;
  ~Socket() { close(); }

  [[nodiscard]] int get() const { return descriptor_; }  ///< -1: none
  [[nodiscard]] int release() { return std::exchange(descriptor_, -1); }
  explicit operator bool() const { return descriptor_ >= 0; }
  void close();

 private:
  int descriptor_ = -1;
};

/// Binds and listens. The socket is non-blocking and close-on-exec; whoever hands it over by exec clears the latter.
/// An IPv6 socket takes no IPv4 connections, so that "::" and "0.0.0.0" are two addresses.
/// \param host  an IPv4 or IPv6 literal, the latter with or without brackets; names are not resolved
/// \param port  0: any free one; see local_port()
/// \return Reason::Manifest when the address is malformed, in use, not of this machine, or not allowed
[[nodiscard]] Result<Socket> listen_tcp(const std::string& host, std::uint16_t port);

/// Ports of `host` that nobody has now, each another one, for programs that cannot say which one they took: nothing
/// keeps them. \param taken  not these, which somebody was told and may not listen on yet
[[nodiscard]] Result<std::vector<std::uint16_t>> free_ports(const std::string& host, std::size_t count,
                                                            const std::set<std::uint16_t>& taken = {});

/// \return 0 when `socket` has none
[[nodiscard]] std::uint16_t local_port(int socket);
/// Whether only this machine can connect to a listening socket: it is bound to 127.0.0.0/8 or ::1.
[[nodiscard]] bool is_loopback(int socket);
/// Whether `authority` (a host with or without a port; IPv6 in brackets) is this machine alone: a literal address of
/// 127.0.0.0/8, [::1], or "localhost".
[[nodiscard]] bool is_loopback(std::string_view authority);
/// "127.0.0.1:40212" or "[::1]:40212"; empty when it is not connected.
[[nodiscard]] std::string peer_name(int socket);

}  // namespace trilby::net
