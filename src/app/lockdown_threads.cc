#include "app/lockdown_threads.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <dirent.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/number.h"

namespace trilby::app {
namespace {

constexpr std::chrono::seconds kPatience{5};
constexpr long kLookEvery = 20'000'000;  // ns: how often we look whether a thread has ended instead of answering
constexpr int kMostPasses = 1000;

/// What the signal handler is to do. Written before a signal is sent, and not changed until it was answered.
struct Order {
  void (*work)(void*) = nullptr;
  void* argument = nullptr;
  sem_t done{};
};
Order order;

// The last of the real-time signals, which is the least likely to be used by a library.
int the_signal() {
  return SIGRTMAX;
}

void on_signal(int /*signal*/) {
  const int saved = errno;
  order.work(order.argument);
  sem_post(&order.done);
  errno = saved;
}

/// Puts our handler in, and the former one back.
class Handler {
 public:
  Handler() {
    struct sigaction action{};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigfillset(&action.sa_mask);
    installed_ = sigaction(the_signal(), &action, &former_) == 0;
  }
  ~Handler() {
    if (installed_) {
      sigaction(the_signal(), &former_, nullptr);
    }
  }
  Handler(const Handler&) = delete;
  Handler& operator=(const Handler&) = delete;
  [[nodiscard]] bool installed() const { return installed_; }

 private:
  struct sigaction former_{};
  bool installed_ = false;
};

Result<std::vector<pid_t>> list_threads() {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc/self/task"), &closedir);
  if (!folder) {
    return fail(Reason::Internal, "cannot list this process's threads in /proc: {}", std::strerror(errno));
  }
  std::vector<pid_t> threads;
  while (const dirent* entry = readdir(folder.get())) {
    if (const auto thread = parse_number<pid_t>(entry->d_name)) {
      threads.push_back(*thread);
    }
  }
  return threads;
}

std::string thread_name(pid_t thread) {
  std::ifstream file(fmt::format("/proc/self/task/{}/comm", thread));
  std::string name;
  std::getline(file, name);
  return name;
}

/// Waits until the handler ran, or the thread is gone.
Result<void> wait_for(pid_t thread) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    timespec next{};
    clock_gettime(CLOCK_REALTIME, &next);
    next.tv_nsec += kLookEvery;
    next.tv_sec += next.tv_nsec / 1'000'000'000;
    next.tv_nsec %= 1'000'000'000;
    if (sem_timedwait(&order.done, &next) == 0) {
      return {};
    }
    if (syscall(SYS_tgkill, getpid(), thread, 0) != 0 && errno == ESRCH) {
      sem_trywait(&order.done);  // it may have answered and then ended
      return {};
    }
    if (std::chrono::steady_clock::now() > until) {
      return fail(Reason::Internal, "the thread {} ({}) does not take signals, so it cannot be locked down", thread,
                  thread_name(thread));
    }
  }
}

Result<void> run_on(pid_t thread) {
  if (syscall(SYS_tgkill, getpid(), thread, the_signal()) != 0) {
    if (errno == ESRCH) {
      return {};
    }
    return fail(Reason::Internal, "cannot reach the thread {} ({}): {}", thread, thread_name(thread),
                std::strerror(errno));
  }
  return wait_for(thread);
}

/// Runs on the threads that are not in `done` yet, and adds them. \return whether there were any
Result<bool> run_on_new_threads(std::set<pid_t>& done) {
  TRILBY_ASSIGN(const std::vector<pid_t> threads, list_threads());
  bool found_new = false;
  for (const pid_t thread : threads) {
    if (done.insert(thread).second) {
      found_new = true;
      TRILBY_CHECK(run_on(thread));
    }
  }
  return found_new;
}

}  // namespace

Result<void> run_on_every_thread(void (*work)(void*), void* argument) {
  order.work = work;
  order.argument = argument;
  sem_init(&order.done, 0, 0);
  const Handler handler;
  if (!handler.installed()) {
    return fail(Reason::Internal, "cannot install a signal handler: {}", std::strerror(errno));
  }
  std::set<pid_t> done = {static_cast<pid_t>(syscall(SYS_gettid))};
  // A thread that was not listed yet may make another one; when a whole pass finds nobody new, all are bound, and bound
  // threads make bound ones.
  for (int pass = 0; pass < kMostPasses; ++pass) {
    TRILBY_ASSIGN(const bool found_new, run_on_new_threads(done));
    if (!found_new) {
      work(argument);
      return {};
    }
  }
  return fail(Reason::Internal, "threads come and go too quickly to be locked down");
}

}  // namespace trilby::app
