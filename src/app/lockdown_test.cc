// Each test locks a child process down for real and tries what must not work there; lockdown has no way back.
#include "app/lockdown.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/socket.h"

namespace trilby::app {
namespace {

namespace fs = std::filesystem;

constexpr int kNoLockdown = 99;
constexpr int kDifferent = 98;

/// How a child process ended that was locked down and then ran `attempt`; its result is the exit code.
class Ending {
 public:
  explicit Ending(int status) : status_(status) {}
  [[nodiscard]] bool with(int code) const { return WIFEXITED(status_) && WEXITSTATUS(status_) == code; }
  [[nodiscard]] bool killed() const { return WIFSIGNALED(status_) && WTERMSIG(status_) == SIGSYS; }
  [[nodiscard]] bool by_signal(int signal) const { return WIFSIGNALED(status_) && WTERMSIG(status_) == signal; }
  [[nodiscard]] bool dumped_core() const { return WCOREDUMP(status_); }
  friend std::ostream& operator<<(std::ostream& out, const Ending& ending) {
    return out << (WIFEXITED(ending.status_) ? "exit code " : "signal ")
               << (WIFEXITED(ending.status_) ? WEXITSTATUS(ending.status_) : WTERMSIG(ending.status_));
  }

 private:
  int status_;
};

Ending run_child(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return Ending(status);
}

Ending locked_down(const LockdownNeeds& needs, const std::function<int()>& attempt) {
  return run_child([&] { return lock_down(needs) ? attempt() : kNoLockdown; });
}

/// 0 when `call`'s result is a failure with `error`, else what it was.
int fails_with(int error, long result) {
  return result < 0 && errno == error ? 0 : result < 0 ? errno : kDifferent;
}
#define EXPECT_SUCCEEDS(ending) EXPECT_PRED1([](const Ending& one) { return one.with(0); }, ending)
#define EXPECT_KILLED(ending) EXPECT_PRED1([](const Ending& one) { return one.killed(); }, ending)

LockdownNeeds to_read(const fs::path& path) {
  LockdownNeeds needs;
  needs.read = {path};
  return needs;
}
LockdownNeeds to_write(const fs::path& folder) {
  LockdownNeeds needs;
  needs.read_write = {folder};
  return needs;
}
LockdownNeeds to_connect(std::uint16_t port) {
  LockdownNeeds needs;
  needs.connect_ports = {port};
  return needs;
}
LockdownNeeds to_make_native_code() {
  LockdownNeeds needs;
  needs.native_code = true;
  return needs;
}

class LockdownTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "lockdown-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    for (const char* sub : {"named", "other"}) {
      fs::create_directories(folder_ / sub / "deep");
      std::ofstream(folder_ / sub / "deep" / "file") << "content";
    }
    fs::create_symlink(folder_ / "other" / "deep" / "file", folder_ / "named" / "link");
  }
  void TearDown() override { fs::remove_all(folder_); }

  static int read_file(const fs::path& path) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    char byte = 0;
    return file < 0 ? errno : read(file, &byte, 1) == 1 ? 0 : kDifferent;
  }
  static bool kernel_has(Layer layer) { return probe_lockdown()[layer].on; }

  fs::path folder_;
};

TEST_F(LockdownTest, SaysWhatIsInForce) {
  EXPECT_SUCCEEDS(run_child([] {
    const auto state = lock_down({});
    for (const Layer layer : kLayers) {
      if (!state || (*state)[layer].detail.empty()) {
        return 1;
      }
    }
    return (*state)[Layer::NoNewPrivs].on && (*state)[Layer::NoCoreDumps].on && (*state)[Layer::Capabilities].on &&
                   (*state)[Layer::NonRoot].on == (geteuid() != 0)
               ? 0
               : 2;
  }));
}

TEST_F(LockdownTest, ProbingChangesNothing) {
  EXPECT_SUCCEEDS(run_child([] {
    (void)probe_lockdown();
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 && prctl(PR_GET_DUMPABLE) == 1 && prctl(PR_GET_SECCOMP) == 0 ? 0
                                                                                                                    : 1;
  }));
}

TEST_F(LockdownTest, StartsNoProgramAndNoProcess) {
  ASSERT_TRUE(kernel_has(Layer::Seccomp));
  EXPECT_KILLED(locked_down({}, [] { return execl("/bin/true", "true", nullptr); }));
  EXPECT_KILLED(locked_down({}, [] { return static_cast<int>(syscall(SYS_execveat, -1, "/bin/true", 0, 0, 0)); }));
  EXPECT_KILLED(locked_down({}, [] { return fork(); }));
  EXPECT_KILLED(locked_down({}, [] { return std::system("true"); }));  // NOLINT(bugprone-command-processor)
}

TEST_F(LockdownTest, LooksIntoNoProcess) {
  ASSERT_TRUE(kernel_has(Layer::Seccomp));
  EXPECT_KILLED(locked_down({}, [] { return static_cast<int>(ptrace(PTRACE_ATTACH, getppid(), 0, 0)); }));
  EXPECT_KILLED(locked_down({}, [] {
    char byte = 0;
    iovec here{&byte, 1};
    return static_cast<int>(process_vm_readv(getppid(), &here, 1, &here, 1, 0));
  }));
  EXPECT_SUCCEEDS(locked_down({}, [] { return fails_with(EPERM, kill(getppid(), 0)); }));
}

TEST_F(LockdownTest, LeavesItsNamespacesAlone) {
  ASSERT_TRUE(kernel_has(Layer::Seccomp));
  EXPECT_KILLED(locked_down({}, [] { return unshare(CLONE_NEWUSER); }));
  EXPECT_KILLED(locked_down({}, [] { return static_cast<int>(syscall(SYS_mount, "none", "/", "tmpfs", 0, 0)); }));
  EXPECT_KILLED(locked_down({}, [] { return static_cast<int>(syscall(SYS_bpf, 0, 0, 0)); }));
  EXPECT_KILLED(locked_down({}, [] { return static_cast<int>(syscall(SYS_io_uring_setup, 1, 0)); }));
  EXPECT_KILLED(locked_down({}, [] { return static_cast<int>(syscall(SYS_keyctl, 0, 0)); }));
}

TEST_F(LockdownTest, ReadsWhatWasNamedAndNothingElse) {
  ASSERT_TRUE(kernel_has(Layer::Landlock)) << "this kernel cannot show it";
  const LockdownNeeds needs = to_read(folder_ / "named");
  EXPECT_SUCCEEDS(locked_down(needs, [&] { return read_file(folder_ / "named" / "deep" / "file"); }));
  EXPECT_TRUE(locked_down(needs, [&] { return read_file(folder_ / "other" / "deep" / "file"); }).with(EACCES));
  EXPECT_TRUE(locked_down(needs, [&] { return read_file(folder_ / "named" / "link"); }).with(EACCES));
  EXPECT_TRUE(locked_down(needs, [&] { return read_file("/etc/passwd"); }).with(EACCES));
  EXPECT_TRUE(locked_down(needs, [&] { return read_file(folder_); }).with(EACCES));
  EXPECT_TRUE(locked_down(needs, [] { return read_file(fmt::format("/proc/{}/environ", getppid())); }).with(EACCES));
}

TEST_F(LockdownTest, ReadsASingleFile) {
  ASSERT_TRUE(kernel_has(Layer::Landlock));
  const LockdownNeeds needs = to_read(folder_ / "named" / "deep" / "file");
  EXPECT_SUCCEEDS(locked_down(needs, [&] { return read_file(needs.read.front()); }));
  EXPECT_TRUE(locked_down(needs, [&] { return read_file(folder_ / "named" / "deep"); }).with(EACCES));
}

TEST_F(LockdownTest, WritesNothing) {
  const LockdownNeeds needs = to_read(folder_ / "named");
  const fs::path file = folder_ / "named" / "deep" / "file";
  for (const int flags : {O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC, O_RDONLY | O_CREAT, O_WRONLY | O_CREAT | O_EXCL}) {
    EXPECT_SUCCEEDS(locked_down(needs, [&] { return fails_with(EACCES, open(file.c_str(), flags, 0600)); })) << flags;
  }
  EXPECT_SUCCEEDS(locked_down(needs, [&] { return fails_with(ENOSYS, unlink(file.c_str())); }));
  EXPECT_SUCCEEDS(locked_down(needs, [&] { return fails_with(EPERM, chmod(file.c_str(), 0777)); }));
  EXPECT_SUCCEEDS(locked_down(needs, [&] { return fails_with(ENOSYS, rename(file.c_str(), "/tmp/x")); }));
}

TEST_F(LockdownTest, WritesInFoldersThatWereNamedForIt) {
  ASSERT_TRUE(kernel_has(Layer::Landlock));
  LockdownNeeds needs = to_write(folder_ / "named");
  needs.read = {folder_ / "other"};
  EXPECT_SUCCEEDS(locked_down(needs, [&] {
    const int folder = open((folder_ / "named").c_str(), O_RDONLY | O_DIRECTORY);
    const int file = folder < 0 ? -1 : openat(folder, "new", O_RDWR | O_CREAT | O_TRUNC, 0600);
    return folder >= 0 && file >= 0 && write(file, "x", 1) == 1 && ftruncate(file, 0) == 0 &&
                   renameat(folder, "new", folder, "deep/newer") == 0 && unlinkat(folder, "deep/newer", 0) == 0 &&
                   mkdirat(folder, "dir", 0700) == 0 && unlinkat(folder, "dir", AT_REMOVEDIR) == 0
               ? 0
               : errno;
  }));
  const auto create = [&](const fs::path& path) {
    return fails_with(EACCES, open(path.c_str(), O_WRONLY | O_CREAT, 0600));
  };
  EXPECT_SUCCEEDS(locked_down(needs, [&] { return create(folder_ / "other" / "new"); }));
  EXPECT_SUCCEEDS(locked_down(needs, [&] { return create(folder_ / "new"); }));
  EXPECT_SUCCEEDS(locked_down(needs, [&] { return create(folder_ / "named" / "link"); }));
  EXPECT_SUCCEEDS(locked_down(needs, [&] {
    return fails_with(EPERM, mknodat(AT_FDCWD, (folder_ / "named" / "pipe").c_str(), S_IFIFO | 0600, 0));
  }));
  EXPECT_SUCCEEDS(locked_down(needs, [&] {
    const fs::path stolen = folder_ / "other" / "deep" / "file";
    return renameat(AT_FDCWD, stolen.c_str(), AT_FDCWD, (folder_ / "named" / "stolen").c_str()) < 0 ? 0 : 1;
  }));
  EXPECT_TRUE(fs::exists(folder_ / "other" / "deep" / "file"));
}

TEST_F(LockdownTest, MakesNoSockets) {
  ASSERT_TRUE(kernel_has(Layer::Seccomp));
  for (const int family : {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK, AF_PACKET, AF_ALG, AF_VSOCK, AF_BLUETOOTH}) {
    EXPECT_SUCCEEDS(locked_down({}, [&] { return fails_with(EPERM, socket(family, SOCK_STREAM, 0)); })) << family;
  }
  EXPECT_SUCCEEDS(locked_down({}, [] {
    std::array<int, 2> pair{};
    return fails_with(EPERM, socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()));
  }));
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int try_to_connect(std::uint16_t port) {
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  return client >= 0 && connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
}

TEST_F(LockdownTest, ConnectsToThePortsThatWereNamed) {
  ASSERT_TRUE(kernel_has(Layer::Landlock));
  const auto wanted = net::listen_tcp("127.0.0.1", 0);
  const auto other = net::listen_tcp("127.0.0.1", 0);
  ASSERT_TRUE(wanted && other);
  const LockdownNeeds needs = to_connect(net::local_port(wanted->get()));
  EXPECT_SUCCEEDS(locked_down(needs, [&] { return try_to_connect(needs.connect_ports.front()); }));
  EXPECT_TRUE(locked_down(needs, [&] { return try_to_connect(net::local_port(other->get())); }).with(EACCES));
  EXPECT_SUCCEEDS(locked_down(needs, [] { return fails_with(ENOSYS, socket(AF_UNIX, SOCK_STREAM, 0)); }));
  EXPECT_SUCCEEDS(locked_down(needs, [] { return fails_with(ENOSYS, socket(AF_INET, SOCK_DGRAM, 0)); }));
  EXPECT_SUCCEEDS(locked_down(needs, [] { return fails_with(ENOSYS, socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP)); }));
  EXPECT_SUCCEEDS(locked_down(needs, [&] {
    const sockaddr_in address = loopback(0);
    // NOLINTNEXTLINE(clang-analyzer-unix.StdCLibraryFunctions): a socket that there is not is another errno
    return fails_with(
        EPERM, bind(socket(AF_INET, SOCK_STREAM, 0), reinterpret_cast<const sockaddr*>(&address), sizeof address));
  }));
  EXPECT_SUCCEEDS(locked_down(needs, [&] {
    const net::Socket made(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = loopback(net::local_port(other->get()));
    const auto* to = reinterpret_cast<const sockaddr*>(&address);
    return made ? fails_with(ENOSYS, sendto(made.get(), "x", 1, MSG_FASTOPEN, to, sizeof address)) : 1;
  }));
}

TEST_F(LockdownTest, MakesNoExecutableMemory) {
  ASSERT_TRUE(kernel_has(Layer::Seccomp));
  constexpr std::size_t kSize = 4096;
  // NOLINTNEXTLINE(clang-analyzer-security.MmapWriteExec): it must not work
  const auto map = [](int protection) { return mmap(nullptr, kSize, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); };
  // NOLINTNEXTLINE(clang-analyzer-security.MmapWriteExec): the same
  const auto protect = [&](int protection) { return mprotect(map(PROT_READ | PROT_WRITE), kSize, protection); };
  EXPECT_SUCCEEDS(locked_down({}, [&] { return protect(PROT_READ); }));
  EXPECT_FALSE(locked_down({}, [&] { return protect(PROT_READ | PROT_EXEC); }).with(0));
  EXPECT_FALSE(locked_down({}, [&] { return map(PROT_READ | PROT_EXEC) == MAP_FAILED ? 1 : 0; }).with(0));
  const LockdownNeeds native = to_make_native_code();
  EXPECT_SUCCEEDS(locked_down(native, [&] { return protect(PROT_READ | PROT_EXEC); }));
  EXPECT_FALSE(locked_down(native, [&] { return protect(PROT_READ | PROT_WRITE | PROT_EXEC); }).with(0));
}

TEST_F(LockdownTest, BindsThreadsThatWereThereBefore) {
  ASSERT_TRUE(kernel_has(Layer::Landlock) && kernel_has(Layer::Seccomp));
  const fs::path other = folder_ / "other" / "deep" / "file";
  EXPECT_SUCCEEDS(run_child([&] {
    constexpr int kThreads = 20;
    std::atomic<bool> go{false};
    std::atomic<int> bound{0};
    std::vector<std::jthread> threads;
    threads.reserve(kThreads);
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        go.wait(false);
        const bool no_file = read_file(other) == EACCES;
        const bool no_socket = socket(AF_UNIX, SOCK_STREAM, 0) < 0;
        bound += no_file && no_socket ? 1 : 0;
      });
    }
    const bool locked = lock_down({}).has_value();
    go = true;
    go.notify_all();
    threads.clear();
    return locked && bound == kThreads ? 0 : 1;
  }));
}

TEST_F(LockdownTest, BindsThreadsWhileTheyComeAndGo) {
  EXPECT_SUCCEEDS(run_child([&] {
    std::atomic<bool> stop{false};
    const auto make_threads = [&] {
      while (!stop) {
        std::jthread([] {}).join();
      }
    };
    std::array<std::jthread, 3> parents = {std::jthread(make_threads), std::jthread(make_threads),
                                           std::jthread(make_threads)};
    const bool locked = lock_down({}).has_value();
    std::atomic<bool> all_bound{true};
    std::jthread([&] { all_bound = read_file("/etc/passwd") == EACCES; }).join();
    stop = true;
    parents = {};
    return locked && all_bound ? 0 : 1;
  }));
}

TEST_F(LockdownTest, HoldsNoCapabilityOnAnyThread) {
  EXPECT_SUCCEEDS(run_child([] {
    std::atomic<bool> go{false};
    std::jthread other([&] { go.wait(false); });
    int wrong = lock_down({}) ? 0 : 1;
    for (const auto& task : fs::directory_iterator("/proc/self/task")) {
      std::ifstream status(task.path() / "status");
      for (std::string line; std::getline(status, line);) {
        const bool privileges = line.starts_with("CapEff:") || line.starts_with("CapPrm:") ||
                                line.starts_with("CapInh:") || line.starts_with("CapAmb:");
        wrong += privileges && !line.ends_with("\t0000000000000000") ? 1 : 0;
        wrong += line.starts_with("NoNewPrivs:") && !line.ends_with("\t1") ? 1 : 0;
        wrong += line.starts_with("Seccomp:") && !line.ends_with("\t2") ? 1 : 0;
      }
    }
    go = true;
    go.notify_all();
    return wrong;
  }));
}

TEST_F(LockdownTest, LeavesNoCoreDump) {
  const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
  const Ending ending = run_child([&] {
    setrlimit(RLIMIT_CORE, &unlimited);  // not everybody may; then there is no core dump either
    if (chdir(folder_.c_str()) != 0 || !lock_down({})) {
      return kNoLockdown;
    }
    std::abort();
  });
  EXPECT_TRUE(ending.by_signal(SIGABRT)) << ending;
  EXPECT_FALSE(ending.dumped_core());
  EXPECT_FALSE(fs::exists(folder_ / "core"));
  EXPECT_SUCCEEDS(locked_down({}, [&] { return fails_with(ENOSYS, setrlimit(RLIMIT_CORE, &unlimited)); }));
  EXPECT_SUCCEEDS(locked_down({}, [] { return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 ? 0 : 1; }));
}

TEST_F(LockdownTest, LeavesWhatServingNeeds) {
  const auto listener = net::listen_tcp("127.0.0.1", 0);
  ASSERT_TRUE(listener);
  const net::Socket client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(net::local_port(listener->get()));
  ASSERT_EQ(connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_SUCCEEDS(locked_down({}, [&] {
    int failed = 0;
    const net::Socket loop(epoll_create1(EPOLL_CLOEXEC));
    const net::Socket event(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
    epoll_event wanted{EPOLLIN, {}};
    failed += epoll_ctl(loop.get(), EPOLL_CTL_ADD, event.get(), &wanted) == 0 ? 0 : 1;
    failed += epoll_wait(loop.get(), &wanted, 1, 1000) == 1 ? 0 : 1;
    const net::Socket connection(accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    failed += connection && send(connection.get(), "x", 1, MSG_NOSIGNAL) == 1 ? 0 : 1;
    failed += std::ifstream("/proc/self/statm").good() ? 0 : 1;
    failed += fs::exists("/proc/self/fd") ? 0 : 1;
    const net::Socket image(memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    failed += write(image.get(), "x", 1) == 1 && fcntl(image.get(), F_ADD_SEALS, F_SEAL_WRITE) == 0 ? 0 : 1;
    const std::vector<char> memory(64U << 20U, 'x');
    failed += memory.back() == 'x' ? 0 : 1;
    std::jthread([&] { failed += pthread_setname_np(pthread_self(), "named") == 0 ? 0 : 1; }).join();
    try {
      throw std::runtime_error("unwinding");
    } catch (const std::exception&) {
      return failed;
    }
  }));
}

TEST_F(LockdownTest, RefusesToNameWhatIsNotThere) {
  ASSERT_TRUE(kernel_has(Layer::Landlock));
  EXPECT_SUCCEEDS(run_child([&] {
    const auto state = lock_down(to_read(folder_ / "absent"));
    return !state && state.error().message.find("absent") != std::string::npos ? 0 : 1;
  }));
}

TEST_F(LockdownTest, FailsWhenAThreadTakesNoSignals) {
  EXPECT_SUCCEEDS(run_child([] {
    std::atomic<bool> blocked{false};
    std::jthread deaf([&](const std::stop_token&) {
      sigset_t all;
      sigfillset(&all);
      pthread_sigmask(SIG_BLOCK, &all, nullptr);
      pthread_setname_np(pthread_self(), "deaf");
      blocked = true;
      blocked.notify_all();
      pause();
    });
    blocked.wait(false);
    const auto state = lock_down({});
    const bool told = !state && state.error().message.find("deaf") != std::string::npos;
    _exit(told ? 0 : 1);
    return 0;
  }));
}

}  // namespace
}  // namespace trilby::app
