/// \file  Landlock: which files a thread may open and which TCP ports it may use. landlock(7)
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "base/result.h"
#include "net/socket.h"

namespace trilby::app {

/// The version of Landlock's interface, from 1; 0 when the kernel has none or it is switched off. From 3 on a file
/// cannot be cut short, from 4 on TCP ports are bound, from 6 on signals and abstract sockets.
[[nodiscard]] int landlock_abi();

struct LandlockRules {
  std::span<const std::filesystem::path> read;        ///< files or folders
  std::span<const std::filesystem::path> read_write;  ///< folders
  std::span<const std::uint16_t> connect_ports;
};

/// Makes a ruleset that allows `rules` and, of what version `abi` knows, nothing else.
/// \return Reason::Internal with the path that cannot be opened
[[nodiscard]] Result<net::Socket> make_landlock_ruleset(const LandlockRules& rules, int abi);

/// Binds the calling thread, and threads that it makes. Needs no_new_privs. Async-signal-safe. \return 0 or an errno
[[nodiscard]] int restrict_thread(int ruleset);

}  // namespace trilby::app
