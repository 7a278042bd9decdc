/// \file  What the kernel says of processes that it ended for want of memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

namespace trilby::app {

/// How many processes the kernel's out-of-memory killer has ended, so far as it tells: in the control group of this
/// process, and on the whole machine.
struct MemoryKills {
  std::optional<std::uint64_t> group;
  std::optional<std::uint64_t> machine;
};

/// Cost: reads three small files of /proc and /sys.
[[nodiscard]] MemoryKills count_memory_kills();

/// What may have ended a process that was killed between the two counts; empty when nothing of the kind was counted.
[[nodiscard]] std::string_view explain_kill(const MemoryKills& before, const MemoryKills& after);

/// The number after `key` in a file of lines "key number", as /proc/vmstat and a control group's memory.events are.
[[nodiscard]] std::optional<std::uint64_t> read_count(const std::filesystem::path& file, std::string_view key);

}  // namespace trilby::app
