/// \file  Who listens on a port of this machine, as far as /proc tells this user.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <sys/types.h>

namespace trilby::app {

struct PortOwner {
  pid_t pid = 0;     ///< 0: somebody whom this user may not see
  std::string name;  ///< of the program; empty when the pid is 0; what others wrote, so print it with care
};

/// Cost: reads /proc/net/tcp and, when the port is taken, every process's descriptors: some milliseconds.
/// \return nothing when nobody listens there
[[nodiscard]] std::optional<PortOwner> find_port_owner(std::uint16_t port);

/// "node (pid 4711)", or "a process of another user".
[[nodiscard]] std::string describe(const PortOwner& owner);

}  // namespace trilby::app
