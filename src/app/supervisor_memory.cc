#include "app/supervisor_memory.h"

#include <fstream>
#include <string>

namespace trilby::app {
namespace {

/// proc_pid_cgroup(5): "0::/path" in the unified hierarchy, the only one whose counters are looked at.
std::optional<std::filesystem::path> own_group() {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    constexpr std::string_view kUnified = "0::/";
    if (line.starts_with(kUnified)) {
      return std::filesystem::path("/sys/fs/cgroup") / line.substr(kUnified.size());
    }
  }
  return std::nullopt;
}

bool grew(const std::optional<std::uint64_t>& before, const std::optional<std::uint64_t>& after) {
  return before && after && *after > *before;
}

}  // namespace

std::optional<std::uint64_t> read_count(const std::filesystem::path& file, std::string_view key) {
  std::ifstream lines(file);
  std::string name;
  std::uint64_t count = 0;
  while (lines >> name >> count) {
    if (name == key) {
      return count;
    }
  }
  return std::nullopt;
}

MemoryKills count_memory_kills() {
  const auto group = own_group();
  return {group ? read_count(*group / "memory.events", "oom_kill") : std::nullopt,
          read_count("/proc/vmstat", "oom_kill")};
}

std::string_view explain_kill(const MemoryKills& before, const MemoryKills& after) {
  if (grew(before.group, after.group)) {
    return "the kernel's out-of-memory killer: the control group's memory limit was reached";
  }
  if (grew(before.machine, after.machine)) {
    return "most likely the kernel's out-of-memory killer: it ended a process on this machine meanwhile";
  }
  return {};
}

}  // namespace trilby::app
