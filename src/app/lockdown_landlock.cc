#include "app/lockdown_landlock.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace trilby::app {
namespace {

// Debian 12's headers know version 2 of the interface, so its numbers stand here: linux/landlock.h of Linux 6.12.
constexpr unsigned kCreateRulesetVersion = 1U << 0U;
constexpr unsigned kRulePathBeneath = 1;
constexpr unsigned kRuleNetPort = 2;

constexpr std::uint64_t kWriteFile = 1U << 1U;
constexpr std::uint64_t kReadFile = 1U << 2U;
constexpr std::uint64_t kReadDirectory = 1U << 3U;
constexpr std::uint64_t kRemoveDirectory = 1U << 4U;
constexpr std::uint64_t kRemoveFile = 1U << 5U;
constexpr std::uint64_t kMakeDirectory = 1U << 7U;
constexpr std::uint64_t kMakeRegular = 1U << 8U;
constexpr std::uint64_t kMakeSymbolicLink = 1U << 12U;
constexpr std::uint64_t kRefer = 1U << 13U;     // to link or rename into another folder; from version 2
constexpr std::uint64_t kTruncate = 1U << 14U;  // from version 3

constexpr std::uint64_t kConnectTcp = 1U << 1U;

constexpr std::uint64_t kRead = kReadFile | kReadDirectory;
/// What guests with a writable folder may do there: regular files, folders and symbolic links, no devices or sockets.
constexpr std::uint64_t kReadWrite = kRead | kWriteFile | kRemoveDirectory | kRemoveFile | kMakeDirectory |
                                     kMakeRegular | kMakeSymbolicLink | kRefer | kTruncate;
/// What can be granted for a file; the rest is about folders.
constexpr std::uint64_t kOfFiles = kWriteFile | kReadFile | kTruncate;

/// struct landlock_ruleset_attr as of version 6.
struct Ruleset {
  std::uint64_t files = 0;
  std::uint64_t network = 0;
  std::uint64_t scopes = 0;
};
struct [[gnu::packed]] PathRule {
  std::uint64_t allowed = 0;
  std::int32_t parent = -1;
};
struct PortRule {
  std::uint64_t allowed = 0;
  std::uint64_t port = 0;
};

/// All that a version of the interface knows.
struct Version {
  std::uint64_t files;
  std::uint64_t network;
  std::uint64_t scopes;
  std::size_t attribute_size;
};
constexpr std::array<Version, 6> kVersions = {{{(1U << 13U) - 1, 0, 0, 8},
                                               {(1U << 14U) - 1, 0, 0, 8},
                                               {(1U << 15U) - 1, 0, 0, 8},
                                               {(1U << 15U) - 1, 0b11, 0, 16},
                                               {(1U << 16U) - 1, 0b11, 0, 16},
                                               {(1U << 16U) - 1, 0b11, 0b11, 24}}};

Result<void> add_path(int ruleset, const std::filesystem::path& path, std::uint64_t allowed) {
  const net::Socket opened(open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat status{};
  if (!opened || fstat(opened.get(), &status) != 0) {
    return fail(Reason::Internal, "locking down: {}: {}", path.string(), std::strerror(errno));
  }
  const PathRule rule{S_ISDIR(status.st_mode) ? allowed : allowed & kOfFiles, opened.get()};
  if (syscall(SYS_landlock_add_rule, ruleset, kRulePathBeneath, &rule, 0) != 0) {
    return fail(Reason::Internal, "locking down: {}: Landlock: {}", path.string(), std::strerror(errno));
  }
  return {};
}

}  // namespace

int landlock_abi() {
  return static_cast<int>(
      std::max(0L, syscall(SYS_landlock_create_ruleset, nullptr, std::size_t{0}, kCreateRulesetVersion)));
}

Result<net::Socket> make_landlock_ruleset(const LandlockRules& rules, int abi) {
  const Version& known = kVersions.at(static_cast<std::size_t>(std::min<int>(abi, kVersions.size())) - 1);
  const Ruleset attribute{known.files, known.network, known.scopes};
  net::Socket ruleset(static_cast<int>(syscall(SYS_landlock_create_ruleset, &attribute, known.attribute_size, 0)));
  if (!ruleset) {
    return fail(Reason::Internal, "locking down: Landlock: {}", std::strerror(errno));
  }
  for (const auto& path : rules.read) {
    TRILBY_CHECK(add_path(ruleset.get(), path, kRead & known.files));
  }
  for (const auto& path : rules.read_write) {
    TRILBY_CHECK(add_path(ruleset.get(), path, kReadWrite & known.files));
  }
  for (const std::uint16_t port : rules.connect_ports) {
    const PortRule rule{kConnectTcp, port};
    if (known.network != 0 && syscall(SYS_landlock_add_rule, ruleset.get(), kRuleNetPort, &rule, 0) != 0) {
      return fail(Reason::Internal, "locking down: port {}: Landlock: {}", port, std::strerror(errno));
    }
  }
  return ruleset;
}

int restrict_thread(int ruleset) {
  return syscall(SYS_landlock_restrict_self, ruleset, 0) == 0 ? 0 : errno;
}

}  // namespace trilby::app
