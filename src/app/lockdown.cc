#include "app/lockdown.h"

#include <atomic>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app/lockdown_capabilities.h"
#include "app/lockdown_landlock.h"
#include "app/lockdown_seccomp.h"
#include "app/lockdown_threads.h"

namespace trilby::app {
namespace {

constexpr int kPortsFrom = 4;  // the version of Landlock's interface that binds TCP ports

/// What each thread gives up. Landlock's ruleset is negative when there is none.
struct ThreadRules {
  int ruleset = -1;
  std::atomic<int> error{0};
};

/// Runs in a signal handler.
void bind_thread(void* argument) {
  auto& rules = *static_cast<ThreadRules*>(argument);
  int error = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : errno;
  if (error == 0 && rules.ruleset >= 0) {
    error = restrict_thread(rules.ruleset);
  }
  if (error == 0) {
    error = drop_thread_capabilities();
  }
  if (error != 0) {
    rules.error = error;
  }
}

Result<void> forbid_core_dumps() {
  const rlimit none{0, 0};
  // The limit is for kernels that write files; a program that takes cores by a pipe is kept off by "not dumpable".
  if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return fail(Reason::Internal, "locking down: core dumps: {}", std::strerror(errno));
  }
  return {};
}

/// Of /proc only what is there about this process. The descriptor stays open for as long as the process lives: Landlock
/// knows files by their inodes, and that of an idle folder in /proc may be dropped and made anew.
Result<std::filesystem::path> keep_own_folder_of_proc() {
  if (open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC) < 0) {
    return fail(Reason::Internal, "locking down: /proc/self: {}", std::strerror(errno));
  }
  return fmt::format("/proc/{}", getpid());
}

std::string landlock_detail(int abi) {
  return abi == 0           ? "this kernel has no Landlock, or it is not among its security modules (lsm=)"
         : abi < kPortsFrom ? fmt::format("ABI {}: files, but no TCP ports (ABI 4)", abi)
                            : fmt::format("ABI {}", abi);
}

}  // namespace

std::string_view name(Layer layer) {
  constexpr std::array<std::string_view, kLayerCount> kNames = {"no_new_privs", "no_core_dumps", "capabilities",
                                                                "landlock",     "seccomp",       "non_root"};
  return kNames.at(static_cast<std::size_t>(layer));
}

Lockdown probe_lockdown() {
  Lockdown found;
  found[Layer::NoNewPrivs] = {true, "set"};
  found[Layer::NoCoreDumps] = {true, "none written"};
  found[Layer::Capabilities] = {true, holds_capabilities() ? "dropped" : "none held"};
  const int abi = landlock_abi();
  found[Layer::Landlock] = {abi > 0, landlock_detail(abi)};
  found[Layer::Seccomp] = has_seccomp() ? LayerState{true, "filtered"}
                                        : LayerState{false, "this kernel has no seccomp filters that end a process"};
  found[Layer::NonRoot] =
      geteuid() != 0 ? LayerState{true, fmt::format("uid {}", geteuid())} : LayerState{false, "runs as root"};
  return found;
}

Result<Lockdown> lock_down(const LockdownNeeds& needs) {
  Lockdown state = probe_lockdown();
  TRILBY_CHECK(forbid_core_dumps());
  ThreadRules rules;
  net::Socket ruleset;
  if (state[Layer::Landlock].on) {
    std::vector<std::filesystem::path> read = needs.read;
    TRILBY_ASSIGN(read.emplace_back(), keep_own_folder_of_proc());
    TRILBY_ASSIGN(ruleset, make_landlock_ruleset({read, needs.read_write, needs.connect_ports}, landlock_abi()));
    rules.ruleset = ruleset.get();
  }
  TRILBY_CHECK(run_on_every_thread(bind_thread, &rules));
  if (rules.error != 0) {
    return fail(Reason::Internal, "locking down a thread: {}", std::strerror(rules.error));
  }
  if (state[Layer::Seccomp].on) {  // last, for it forbids what the others were done with
    TRILBY_CHECK(filter_system_calls({!needs.read_write.empty(), !needs.connect_ports.empty(), needs.native_code}));
  }
  return state;
}

}  // namespace trilby::app
