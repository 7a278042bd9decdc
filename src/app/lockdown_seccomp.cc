#include "app/lockdown_seccomp.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <memory>

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace trilby::app {
namespace {

using Names = std::initializer_list<const char*>;

constexpr unsigned long kPagemapScan = 0xC0606610;  // PAGEMAP_SCAN of linux/fs.h, Linux 6.7

// Allowed whatever their arguments are: the kernel remembers that per call, so that these cost next to nothing.
constexpr Names kAllowed = {
    // Descriptors that are open: connections, logs, files.
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2", "pwritev2", "lseek",
    "close", "dup", "dup2", "dup3", "fcntl", "fstat", "fadvise64", "sendfile", "poll", "ppoll", "select", "pselect6",
    "accept", "accept4", "recvfrom", "recvmsg", "shutdown", "getsockname", "getpeername", "getsockopt", "setsockopt",
    // Looking at files. What may be opened is Landlock's business.
    "openat2", "newfstatat", "statx", "stat", "lstat", "statfs", "fstatfs", "access", "faccessat", "faccessat2",
    "readlink", "readlinkat", "getdents64", "getcwd",
    // The event loops.
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd2",
    "timerfd_create", "timerfd_settime", "timerfd_gettime", "pipe2",
    // Memory that holds data: allocators, guests' memories and their images (a memfd for each, made at the first call),
    // fibers' stacks.
    "memfd_create", "munmap", "mremap", "brk", "madvise", "mincore", "membarrier",
    // Threads and their signals.
    "futex", "set_robust_list", "rseq", "set_tid_address", "exit", "exit_group", "restart_syscall", "sched_yield",
    "sched_getaffinity", "sched_setaffinity", "sched_getparam", "sched_getscheduler", "sched_get_priority_max",
    "sched_get_priority_min", "getcpu", "get_mempolicy", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn",
    "rt_sigtimedwait", "sigaltstack",
    // Time, chance, and who one is.
    "clock_gettime", "clock_getres", "clock_nanosleep", "gettimeofday", "nanosleep", "time", "getrandom", "getpid",
    "getppid", "gettid", "getuid", "geteuid", "getgid", "getegid", "getrusage", "getrlimit", "times", "sysinfo",
    "uname"};

/// With directories that guests may write in.
constexpr Names kWriting = {"mkdirat",   "unlinkat",  "renameat",  "renameat2", "linkat",    "symlinkat",
                            "utimensat", "ftruncate", "fallocate", "fsync",     "fdatasync", "copy_file_range"};

/// No part of Trilby and no library that serves ever makes one of these: who does has been taken over.
constexpr Names kFatal = {
    // Programs and processes.
    "execve", "execveat", "fork", "vfork", "uselib",
    // Into other processes.
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp",
    // Into the kernel.
    "bpf", "perf_event_open", "io_uring_setup", "io_uring_enter", "io_uring_register", "userfaultfd", "kexec_load",
    "kexec_file_load", "init_module", "finit_module", "delete_module", "iopl", "ioperm", "modify_ldt", "add_key",
    "request_key", "keyctl", "fanotify_init", "lookup_dcookie",
    // Out of where one is put.
    "unshare", "setns", "chroot", "pivot_root", "mount", "umount2", "move_mount", "open_tree", "fsopen", "fsconfig",
    "fsmount", "fspick", "mount_setattr", "open_by_handle_at", "swapon", "swapoff", "quotactl", "acct",
    // Over the machine.
    "reboot", "settimeofday", "clock_settime", "sethostname", "setdomainname"};

/// Refused so that whoever asks takes it for a matter of rights. All that is named nowhere does not exist (ENOSYS).
constexpr Names kRefused = {"socket",
                            "socketpair",
                            "connect",
                            "bind",
                            "listen",
                            "kill",
                            "tkill",
                            "rt_sigqueueinfo",
                            "rt_tgsigqueueinfo",
                            "pidfd_send_signal",
                            "open",
                            "creat",
                            "mknod",
                            "mknodat",
                            "chmod",
                            "fchmod",
                            "fchmodat",
                            "chown",
                            "fchown",
                            "lchown",
                            "fchownat",
                            "setpriority",
                            "personality"};

/// A filter that is being put together. Remembers the first thing that went wrong.
class Filter {
 public:
  Filter() : context_(seccomp_init(SCMP_ACT_ERRNO(ENOSYS)), &seccomp_release) {
    set(SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);  // 32-bit calls have other numbers
    set(SCMP_FLTATR_CTL_TSYNC, 1);                        // all threads
    set(SCMP_FLTATR_CTL_NNP, 0);                          // it is set already; without it this fails
    set(SCMP_FLTATR_CTL_OPTIMIZE, 2);                     // a binary tree instead of a list
  }

  void all(std::uint32_t action, Names names) {
    for (const char* name : names) {
      add(action, name, {});
    }
  }
  /// When every one of `conditions` holds. Names that this machine's architecture does not have are passed over.
  void add(std::uint32_t action, const char* name, std::initializer_list<scmp_arg_cmp> conditions) {
    const int number = seccomp_syscall_resolve_name(name);
    if (number >= 0 && error_ == 0) {
      error_ = -seccomp_rule_add_array(context_.get(), action, number, static_cast<unsigned>(conditions.size()),
                                       conditions.begin());
    }
  }
  /// \return 0 or an errno
  [[nodiscard]] int load() {
    return context_ == nullptr ? ENOMEM : error_ != 0 ? error_ : -seccomp_load(context_.get());
  }

 private:
  void set(scmp_filter_attr attribute, std::uint32_t value) {
    if (context_ != nullptr && error_ == 0) {
      error_ = -seccomp_attr_set(context_.get(), attribute, value);
    }
  }

  std::unique_ptr<void, void (*)(scmp_filter_ctx)> context_;
  int error_ = 0;
};

/// Of `mask`, exactly the bits of `value`.
scmp_arg_cmp bits(unsigned argument, std::uint64_t mask, std::uint64_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}
/// An int, of which the kernel looks at the lower half of the register only.
scmp_arg_cmp equals(unsigned argument, std::uint64_t value) {
  return bits(argument, 0xFFFF'FFFFU, value);
}

void add_memory_rules(Filter& filter, bool native_code) {
  // What can be written never becomes what can be run, nor is anything mapped to be run: code is loaded before.
  for (const char* name : {"mmap", "mprotect"}) {
    filter.add(SCMP_ACT_ALLOW, name, {bits(2, PROT_EXEC, 0)});
  }
  if (native_code) {
    filter.add(SCMP_ACT_ALLOW, "mprotect", {bits(2, PROT_EXEC | PROT_WRITE, PROT_EXEC)});
  }
}

void add_thread_rules(Filter& filter) {
  constexpr std::uint64_t kThread = CLONE_VM | CLONE_THREAD | CLONE_SIGHAND;
  constexpr std::uint64_t kSpaces =
      CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
  filter.add(SCMP_ACT_ALLOW, "clone", {bits(0, kThread | kSpaces, kThread)});
  filter.add(SCMP_ACT_KILL_PROCESS, "clone", {bits(0, CLONE_THREAD, 0)});
  // clone3 keeps its flags in memory, where no filter can look: it is said not to exist, and libraries use clone.

  // Signals: to this process alone. (The calling thread's own number would do, but threads share one filter.)
  const auto self = static_cast<std::uint64_t>(getpid());
  filter.add(SCMP_ACT_ALLOW, "tgkill", {equals(0, self)});
  filter.add(SCMP_ACT_ALLOW, "prctl", {equals(0, PR_SET_NAME)});
  filter.add(SCMP_ACT_ALLOW, "prctl", {equals(0, PR_GET_NAME)});
  // Limits are looked at, not set.
  constexpr scmp_arg_cmp kNothing = {2, SCMP_CMP_EQ, 0, 0};
  filter.add(SCMP_ACT_ALLOW, "prlimit64", {equals(0, 0), kNothing});
  filter.add(SCMP_ACT_ALLOW, "prlimit64", {equals(0, self), kNothing});
}

void add_descriptor_rules(Filter& filter, const SystemCallNeeds& needs) {
  for (const unsigned long request :
       {kPagemapScan, static_cast<unsigned long>(FIONBIO), static_cast<unsigned long>(FIONREAD)}) {
    filter.add(SCMP_ACT_ALLOW, "ioctl", {equals(1, request)});
  }
  for (const unsigned long request : {TCGETS, TIOCGWINSZ}) {
    filter.add(SCMP_ACT_ERRNO(ENOTTY), "ioctl", {equals(1, request)});
  }
  if (needs.write_files) {
    filter.add(SCMP_ACT_ALLOW, "openat", {});
    filter.all(SCMP_ACT_ALLOW, kWriting);
  } else {
    filter.add(SCMP_ACT_ALLOW, "openat", {bits(2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)});
    for (const std::uint64_t flag : {O_WRONLY, O_RDWR, O_CREAT, O_TRUNC}) {
      filter.add(SCMP_ACT_ERRNO(EACCES), "openat", {bits(2, flag, flag)});
    }
  }
}

void add_socket_rules(Filter& filter, bool connect) {
  if (!connect) {
    filter.all(SCMP_ACT_ALLOW, {"sendto", "sendmsg", "sendmmsg"});
    return;
  }
  // No other protocol: Landlock's rules for ports are about TCP, and multipath TCP goes past them.
  for (const std::uint64_t family : {AF_INET, AF_INET6}) {
    filter.add(SCMP_ACT_ALLOW, "socket",
               {equals(0, family), bits(1, ~std::uint64_t{SOCK_NONBLOCK | SOCK_CLOEXEC}, SOCK_STREAM), equals(2, 0)});
  }
  filter.add(SCMP_ACT_ALLOW, "connect", {});
  // A sending call that connects goes past Landlock's rules for ports in some kernels.
  filter.add(SCMP_ACT_ALLOW, "sendto", {bits(3, MSG_FASTOPEN, 0)});
  filter.add(SCMP_ACT_ALLOW, "sendmsg", {bits(2, MSG_FASTOPEN, 0)});
  filter.add(SCMP_ACT_ALLOW, "sendmmsg", {bits(3, MSG_FASTOPEN, 0)});
}

}  // namespace

bool has_seccomp() {
  return seccomp_api_get() >= 3;  // from Linux 4.14: ending processes, and knowing which actions there are
}

Result<void> filter_system_calls(const SystemCallNeeds& needs) {
  Filter filter;
  filter.all(SCMP_ACT_ALLOW, kAllowed);
  add_memory_rules(filter, needs.native_code);
  add_thread_rules(filter);
  add_descriptor_rules(filter, needs);
  add_socket_rules(filter, needs.connect);
  filter.all(SCMP_ACT_KILL_PROCESS, kFatal);
  for (const char* name : kRefused) {
    if (!needs.connect || (std::strcmp(name, "socket") != 0 && std::strcmp(name, "connect") != 0)) {
      filter.add(SCMP_ACT_ERRNO(EPERM), name, {});
    }
  }
  if (const int error = filter.load(); error != 0) {
    return fail(Reason::Internal, "locking down: the kernel does not take the seccomp filter: {}",
                std::strerror(error));
  }
  return {};
}

}  // namespace trilby::app
