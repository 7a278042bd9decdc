#include "app/supervisor_port_owner.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include <fmt/core.h>

#include "base/text.h"

namespace trilby::app {
namespace {

namespace fs = std::filesystem;

/// The inode of the socket that listens on `port`, from a file of proc(5)'s format of /proc/net/tcp.
std::optional<std::string> listening_inode(const char* table, std::uint16_t port) {
  std::ifstream file(table);
  const std::string wanted = fmt::format(":{:04X}", port);
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string slot, local, remote, state, queues, timer, retransmits, uid, timeout, inode;
    fields >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> uid >> timeout >> inode;
    constexpr std::string_view kListen = "0A";
    if (fields && state == kListen && local.ends_with(wanted)) {
      return inode;
    }
  }
  return std::nullopt;
}

bool holds_socket(const fs::path& process, const std::string& link) {
  std::error_code error;
  for (fs::directory_iterator entry(process / "fd", error), end; !error && entry != end; entry.increment(error)) {
    std::error_code gone;
    if (fs::read_symlink(entry->path(), gone) == link) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::optional<PortOwner> find_port_owner(std::uint16_t port) {
  auto inode = listening_inode("/proc/net/tcp", port);
  inode = inode ? inode : listening_inode("/proc/net/tcp6", port);
  if (!inode) {
    return std::nullopt;
  }
  const std::string link = fmt::format("socket:[{}]", *inode);
  std::error_code error;
  for (fs::directory_iterator entry("/proc", error), end; !error && entry != end; entry.increment(error)) {
    const std::string pid = entry->path().filename();
    const bool process = std::all_of(pid.begin(), pid.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
    if (process && holds_socket(entry->path(), link)) {
      PortOwner owner{static_cast<pid_t>(std::strtol(pid.c_str(), nullptr, 10)), {}};
      std::ifstream comm(entry->path() / "comm");
      std::getline(comm, owner.name);
      return owner;
    }
  }
  return PortOwner{};
}

std::string describe(const PortOwner& owner) {
  constexpr std::size_t kLongestName = 64;
  return owner.pid == 0 ? "a process of another user"
                        : fmt::format("{} (pid {})", printable_line(owner.name, kLongestName), owner.pid);
}

}  // namespace trilby::app
