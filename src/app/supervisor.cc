#include "app/supervisor.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <utility>

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/supervisor_process.h"
#include "app/supervisor_sockets.h"
#include "base/log.h"

namespace trilby::app {
namespace {

using namespace std::chrono_literals;

constexpr Duration kFirstPause = 100ms;
constexpr Duration kLongestPause = 5s;
constexpr Duration kHealthyAfter = 10s;  // a worker that served this long ends a series of crashes
constexpr Duration kGraceSlack = 3s;     // the worker keeps the grace period itself; this is for one that cannot
constexpr Duration kAtOnce = 2s;

Result<net::Socket> watch_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) {
    sigaddset(&set, signal);
  }
  sigprocmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // a worker may die before it is asked to stop
  std::signal(SIGXFSZ, SIG_IGN);  // the log's disk may be full
  net::Socket signals(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals) {
    return fail(Reason::Internal, "cannot watch for signals: {}", std::strerror(errno));
  }
  return signals;
}

class Supervisor {
 public:
  Supervisor(const Manifest& manifest, SupervisorOptions options, std::vector<OpenListener> listeners,
             net::Socket signals, net::Socket manifest_file)
      : options_(std::move(options)),
        listeners_(std::move(listeners)),
        signals_(std::move(signals)),
        manifest_file_(std::move(manifest_file)) {
    handover_.manifest_path = manifest.path;
    handover_.manifest_fd = manifest_file_.get();
    system_.supervisor = getpid();
    for (const OpenListener& listener : listeners_) {
      handover_.listeners.push_back({listener.bound.kind, listener.bound.app, listener.socket.get()});
      system_.addresses.push_back(listener.bound);
    }
  }

  Result<int> run() {
    TRILBY_CHECK(start());
    while (!exit_code_) {
      wait();
      act_on_time();
      if (failure_) {
        return fail(*failure_);
      }
    }
    return *exit_code_;
  }

  ~Supervisor() {
    if (ever_served_ && !options_.ready_file.empty()) {
      unlink(options_.ready_file.c_str());
    }
    if (worker_) {
      kill(worker_->pid, SIGKILL);
      waitpid(worker_->pid, nullptr, 0);
    }
  }
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

 private:
  Result<void> start() {
    TRILBY_ASSIGN(WorkerProcess started, start_worker(handover_, options_.worker_arguments));
    worker_ = std::move(started);
    serves_ = false;
    return {};
  }

  void wait() {
    std::array<pollfd, 2> watched = {
        {{signals_.get(), POLLIN, 0}, {worker_ && !serves_ ? worker_->ready.get() : -1, POLLIN, 0}}};
    int timeout = -1;
    if (act_at_) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*act_at_ - Clock::now());
      timeout = static_cast<int>(std::max<std::chrono::milliseconds::rep>(left.count(), 0));
    }
    if (poll(watched.data(), watched.size(), timeout) <= 0) {
      return;
    }
    if (watched[1].revents != 0) {
      on_ready_pipe();
    }
    signalfd_siginfo signal{};
    while (read(signals_.get(), &signal, sizeof signal) == sizeof signal) {
      on_signal(static_cast<int>(signal.ssi_signo));
    }
  }

  /// Time has come to start another worker, or to kill one that does not stop.
  void act_on_time() {
    if (!act_at_ || Clock::now() < *act_at_) {
      return;
    }
    act_at_.reset();
    if (!worker_) {
      if (const auto started = start(); !started) {
        log::error(started.error().message);
        act_at_ = Clock::now() + kLongestPause;
      }
      return;
    }
    log::warn("the worker does not stop; killing it", {{"pid", worker_->pid}});
    kill(worker_->pid, SIGKILL);
  }

  void on_ready_pipe() {
    char byte = 0;
    const bool says_so = read(worker_->ready.get(), &byte, 1) == 1;
    worker_->ready.close();
    if (!says_so) {
      return;  // it is gone; SIGCHLD says how
    }
    serves_ = true;
    served_since_ = Clock::now();
    system_.worker = worker_->pid;
    if (!options_.ready_file.empty()) {
      if (const auto written = write_ready_file(options_.ready_file, ready_document(system_)); !written) {
        failure_ = written.error();
        return;
      }
    }
    if (ever_served_) {
      log::info("the system serves again", {{"worker", worker_->pid}});
    } else if (options_.on_serving) {
      options_.on_serving(system_);
    }
    ever_served_ = true;
  }

  void on_signal(int signal) {
    if (signal == SIGCHLD) {
      int status = 0;
      for (pid_t pid = 0; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        if (worker_ && pid == worker_->pid) {
          on_worker_exit(status);
        }
      }
    } else if (signal == SIGHUP) {
      log::warn("SIGHUP: reading the manifest again is not supported yet; stop the system and start it");
    } else {
      stop();
    }
  }

  void stop() {
    ++stops_;
    listeners_.clear();  // the worker closes its own; then nobody queues where nobody will serve
    act_at_.reset();
    if (!worker_) {
      exit_code_ = 0;
    } else if (!serves_ || stops_ > 2) {
      kill(worker_->pid, SIGKILL);  // before it serves there is nothing to drain
    } else {
      const ssize_t asked = write(worker_->stop.get(), "s", 1);
      act_at_ = Clock::now() + (asked != 1 ? Duration(0) : stops_ == 1 ? options_.grace + kGraceSlack : kAtOnce);
      log::info(stops_ == 1 ? "draining; a second signal stops at once" : "stopping at once");
    }
  }

  void on_worker_exit(int status) {
    const pid_t pid = std::exchange(worker_, std::nullopt)->pid;
    const bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (stops_ > 0) {
      exit_code_ = (clean && stops_ == 1) || !serves_ ? 0 : info(Reason::Cancelled).exit_code;
    } else if (!ever_served_) {
      if (WIFEXITED(status) && !clean) {
        exit_code_ = WEXITSTATUS(status);
      } else {
        failure_ = Error{Reason::Internal, fmt::format("the worker ended while it started: {}", describe_exit(status))};
      }
    } else {
      pause_ =
          serves_ && Clock::now() - served_since_ > kHealthyAfter ? kFirstPause : std::min(pause_ * 2, kLongestPause);
      act_at_ = Clock::now() + pause_;
      log::error("the worker died; starting another",
                 {{"pid", pid}, {"end", describe_exit(status)}, {"in", format(pause_)}});
    }
  }

  SupervisorOptions options_;
  std::vector<OpenListener> listeners_;
  net::Socket signals_;
  net::Socket manifest_file_;
  Handover handover_;
  RunningSystem system_;

  std::optional<WorkerProcess> worker_;
  bool serves_ = false;       // the current worker
  bool ever_served_ = false;  // any worker
  Clock::time_point served_since_;
  Duration pause_ = kFirstPause / 2;
  std::optional<Clock::time_point> act_at_;  // to start a worker when there is none, else to kill it
  int stops_ = 0;
  std::optional<int> exit_code_;
  std::optional<Error> failure_;
};

}  // namespace

Result<int> supervise(const Manifest& manifest, SupervisorOptions options) {
  TRILBY_ASSIGN(std::vector<OpenListener> listeners, open_listeners(manifest));
  TRILBY_ASSIGN(net::Socket signals, watch_signals());
  TRILBY_ASSIGN(net::Socket manifest_file, make_sealed_file(options.manifest_text));
  const log::Background log_goes_on;  // whoever reads it: signals and crashes must not wait for that
  return Supervisor(manifest, std::move(options), std::move(listeners), std::move(signals), std::move(manifest_file))
      .run();
}

}  // namespace trilby::app
