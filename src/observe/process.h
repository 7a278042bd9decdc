/// \file  What the system says about this process.
#pragma once

#include <cstdint>

namespace trilby::observe {

/// Zero where the system does not say.
struct ProcessFacts {
  std::uint64_t resident_bytes = 0;
  double cpu_seconds = 0;  ///< user and system
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;      ///< the soft limit
  double start_time_seconds = 0;  ///< since the epoch
};

/// Reads /proc: a few system calls, so not for every request.
[[nodiscard]] ProcessFacts process_facts();

}  // namespace trilby::observe
