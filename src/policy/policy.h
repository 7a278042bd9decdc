/// \file  What a function may use, as values, and every decision about it; grants.h has what it may reach. No I/O, no
/// clock.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "base/units.h"
#include "policy/grants.h"

namespace trilby::policy {

using namespace trilby::literals;

/// Hard limits of one function. Every one is enforced; the defaults are those that `trilby check` prints.
struct Limits {
  Bytes memory = 64_MiB;                          ///< linear memories and GC heaps together, 64 KiB..1 GiB
  std::uint32_t table_elements = 100'000;         ///< all tables together, 0..1000000; 8 bytes each, beside `memory`
  Bytes stack = 512_KiB;                          ///< of the guest's own calls, 64 KiB..8 MiB
  Duration cpu = std::chrono::seconds(1);         ///< the guest's own time, 1 ms..10 min
  Duration wall = std::chrono::seconds(10);       ///< from its slot to its end, 1 ms..1 h
  Bytes request_body = 8_MiB;                     ///< 0..1 GiB
  Bytes response_body = 64_MiB;                   ///< standard output of a command, 0..1 GiB
  Bytes stderr_output = 64_KiB;                   ///< kept and logged; more is dropped and counted
  std::uint32_t log_lines_per_second = 100;       ///< of standard error, over all its calls, 0..100000
  Bytes log_line_length = 1_KiB;                  ///< more of a line is cut off, 16 B..4 KiB
  std::uint32_t handles = 16;                     ///< that one call may hold: of wasi-nn's, and open files, 0..1000
  std::uint32_t host_calls_per_second = 1000;     ///< of one call, of those that use what all share, 0..1000000
  std::uint32_t concurrency = 32;                 ///< calls of this function that run at once, over all loops, 1..1000
  std::uint32_t queue = 128;                      ///< calls that wait for a slot, 0..100000
  Duration queue_wait = std::chrono::seconds(1);  ///< longest wait for a slot, and for a place in the engine's pool
};

inline constexpr std::uint32_t kMaxTableElements = 1'000'000;
inline constexpr Bytes kMinStack = 64_KiB;
inline constexpr Bytes kMaxStack = 8_MiB;
/// Each size of stack takes an engine of its own, so there are few.
inline constexpr std::size_t kMaxStackSizes = 4;

/// Bounds of one app over those of its functions.
struct AppLimits {
  std::uint32_t concurrency = 1000;               ///< calls of its functions that run at once, over all loops, 1..4000
  std::uint32_t queue = 1000;                     ///< calls that wait for one to end, 0..100000
  Duration queue_wait = std::chrono::seconds(1);  ///< longest such wait
};

struct Policy {
  Limits limits;
  Grants grants;
};

/// What takes long without a chance to interrupt it holds up all others on its loop: calls that block in the file
/// system, and single instructions over more memory than this. Such functions run on loops of their own.
inline constexpr Bytes kMostSharedMemory = 128_MiB;
[[nodiscard]] inline bool needs_own_loop(const Policy& policy) {
  return policy.limits.memory > kMostSharedMemory || !policy.grants.directories.empty();
}

/// \return Reason::Manifest, naming the field and its range, when a limit is out of range or could not be enforced
[[nodiscard]] Result<void> validate(const Limits& limits);
[[nodiscard]] Result<void> validate(const AppLimits& limits);

}  // namespace trilby::policy
