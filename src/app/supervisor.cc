#include "app/supervisor.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/backoff.h"
#include "app/file_watch.h"
#include "app/shared_counts.h"
#include "app/supervisor_memory.h"
#include "app/supervisor_process.h"
#include "app/supervisor_sidecar_wait.h"
#include "app/supervisor_signals.h"
#include "app/supervisor_sockets.h"
#include "base/log.h"

namespace trilby::app {
namespace {

using namespace std::chrono_literals;

constexpr Duration kGraceSlack = 3s;  // the worker keeps the grace period itself; this is for one that cannot
constexpr Duration kAtOnce = 2s;
constexpr Duration kSidecarPatience = 60s;  // before a system without its sidecars is said to serve
// Before a new certificate is tried again after a failure that was not of its making; each try loads all models anew.
constexpr Backoff kRenewalBackoff{1s, 5min};
constexpr std::size_t kMostLeaving = 3;  // each old worker holds its modules and models in memory while it drains

/// One reading of the manifest, and what each worker of it is given. Once no worker needs its sockets, they close.
struct Generation {
  std::filesystem::path manifest_path;
  net::Socket manifest_file;
  std::vector<OpenListener> listeners;
  std::vector<SidecarPlan> sidecars;                                 // those that we start
  std::vector<std::pair<std::string, std::uint16_t>> sidecar_ports;  // of all
  std::vector<std::filesystem::path> certificates;                   // and keys

  [[nodiscard]] Handover handover() const {
    Handover out;
    out.manifest_path = manifest_path;
    out.manifest_fd = manifest_file.get();
    for (const OpenListener& listener : listeners) {
      out.listeners.push_back({listener.bound.kind, listener.bound.app, listener.socket->get()});
    }
    out.sidecars = sidecar_ports;
    out.through_sidecars = !sidecars.empty();
    return out;
  }
  [[nodiscard]] std::vector<BoundAddress> addresses() const {
    std::vector<BoundAddress> out;
    std::transform(listeners.begin(), listeners.end(), std::back_inserter(out),
                   [](const OpenListener& listener) { return listener.bound; });
    return out;
  }
};

/// Everything that a manifest names and a worker reads once.
std::vector<std::filesystem::path> files_of(const Manifest& manifest) {
  std::vector<std::filesystem::path> out = {manifest.path};
  for (const Function& function : manifest.functions) {
    out.push_back(function.module);
  }
  for (const Model& model : manifest.models) {
    out.push_back(model.path);
    out.push_back(std::filesystem::path(model.path).replace_extension(".bin"));  // where OpenVINO keeps the weights
  }
  return out;
}

std::vector<std::filesystem::path> certificates_of(const Manifest& manifest) {
  std::vector<std::filesystem::path> out;
  for (const App& app : manifest.apps) {
    if (app.tls) {
      out.insert(out.end(), {app.tls->certificate, app.tls->key});
    }
  }
  return out;
}

void log_lines(std::string_view message, const Error& error) {
  for (std::string_view rest = error.message; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    log::error(message, {{"error", std::string(rest.substr(0, end))}});
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

class Supervisor {
 public:
  Supervisor(SupervisorOptions options, Signals signals, SharedCounts counts, std::optional<FileWatch> watch)
      : options_(std::move(options)),
        signals_(std::move(signals)),
        counts_(std::move(counts)),
        watch_(std::move(watch)) {
    system_.supervisor = getpid();
    if (options_.sidecars) {
      sidecars_.emplace(std::move(*options_.sidecars));
    }
  }

  Result<int> run() {
    TRILBY_ASSIGN(in_force_, load());
    TRILBY_CHECK(start(in_force_, Why::Start));
    if (sidecars_) {
      sidecars_->set(in_force_->sidecars, Clock::now());
    }
    while (!exit_code_) {
      wait();
      act_on_time();
      begin_reload();
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
    kill_all();
  }
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

 private:
  enum class Why : std::uint8_t { Start, Reload, Renewal };  // a worker is started
  struct Worker {
    WorkerProcess process;
    Why why = Why::Start;
    std::shared_ptr<const Generation> generation;  // none once it leaves
    MemoryKills kills_before;
    bool told_to_serve = false;  // from then on it may have taken connections
    Clock::time_point serving_since;
    bool discarded = false;                    // it leaves without having served
    bool released = false;                     // it has let go of the listeners and of the sidecars, while it leaves
    std::optional<Clock::time_point> kill_at;  // set while it leaves
  };

  // ---- generations

  /// Reads the manifest and opens its listeners, or shares those that are open.
  Result<std::shared_ptr<const Generation>> load() {
    if (watch_) {
      watch_->forget_changes();  // what changes from here on counts for the next reload
    }
    TRILBY_ASSIGN(const LoadedManifest loaded, options_.load());
    if (watch_) {
      watch_->watch(files_of(loaded.manifest));
    }
    const std::span<const OpenListener> held = in_force_ ? in_force_->listeners : std::span<const OpenListener>{};
    auto made = std::make_shared<Generation>();
    made->manifest_path = loaded.manifest.path;
    made->certificates = certificates_of(loaded.manifest);
    // Of those in force as well, for the reload may fail.
    std::vector<std::filesystem::path> watched = made->certificates;
    if (in_force_) {
      watched.insert(watched.end(), in_force_->certificates.begin(), in_force_->certificates.end());
    }
    watch_certificates(watched);
    TRILBY_ASSIGN(made->listeners, open_listeners(loaded.manifest, held));
    TRILBY_ASSIGN(made->manifest_file, make_sealed_file(loaded.text));
    TRILBY_CHECK(place_sidecars(loaded.manifest, *made));
    if (const App& app = loaded.manifest.apps.front(); options_.await_sidecar && !awaited_ && app.sidecar) {
      awaited_.emplace(AwaitedSidecar{app.id, {"127.0.0.1", app.sidecar->http}}, Clock::now());
    }
    return made;
  }

  /// They are replaced every few weeks, by programs that know nothing of us.
  void watch_certificates(const std::vector<std::filesystem::path>& files) {
    if (!certificate_watch_ && !files.empty()) {
      auto made = FileWatch::create();
      if (!made) {
        log_lines("new certificates will be served after a reload", made.error());
        return;
      }
      certificate_watch_ = std::move(*made);
    }
    if (certificate_watch_) {
      certificates_unserved_ = certificate_watch_->forget_changes() || certificates_unserved_;
      certificate_watch_->watch(files);
    }
  }

  /// Where the sidecar of each app is that has one.
  Result<void> place_sidecars(const Manifest& manifest, Generation& made) const {
    if (sidecars_) {
      TRILBY_ASSIGN(made.sidecars, sidecars_->plan(manifest, made.addresses()));
      for (const SidecarPlan& plan : made.sidecars) {
        made.sidecar_ports.emplace_back(plan.app, plan.http);
      }
      return {};
    }
    for (const App& app : manifest.apps) {
      if (app.sidecar && app.sidecar->http == 0) {
        return fail(Reason::Manifest, "app.{}.sidecar.http: any port is for sidecars that Trilby starts (--sidecar)",
                    app.id);
      }
      if (app.sidecar) {
        made.sidecar_ports.emplace_back(app.id, app.sidecar->http);
      } else if (std::any_of(app.jobs.begin(), app.jobs.end(),
                             [](const JobTrigger& job) { return !job.schedule.empty(); })) {
        log::warn("jobs are not scheduled: the app has no sidecar", {{"app", app.id}});
      }
    }
    return {};
  }

  void begin_reload() {
    if (stops_ > 0 || !ever_served_ || starting_ || leaving_.size() >= kMostLeaving) {
      return;
    }
    if (!reload_wanted_) {
      return begin_renewal();
    }
    reload_wanted_ = renewal_wanted_ = false;
    log::info("reloading");
    auto loaded = load();
    auto started = loaded ? start(*loaded, Why::Reload) : Result<void>(fail(loaded.error()));
    if (!started) {
      count(Why::Reload, false);
      log_lines("the reload failed; what serves goes on", started.error());
      renewal_wanted_ = certificates_unserved_;
      return begin_renewal();
    }
    restart_at_.reset();  // the new one takes that place
  }

  /// Another worker with the manifest in force, which reads certificates and keys anew. Whoever changed those may know
  /// nothing of the manifest, so nothing that was written there meanwhile counts.
  void begin_renewal() {
    if (!std::exchange(renewal_wanted_, false)) {
      return;
    }
    if (const auto started = start(in_force_, Why::Renewal); !started) {
      count(Why::Renewal, false);
      log_lines("no worker can be started with the new certificate; what serves goes on", started.error());
      return renew_later();
    }
    restart_at_.reset();
    renew_at_.reset();
  }

  void renew_later() {
    const Duration pause = renewal_backoff_.next();
    renew_at_ = Clock::now() + pause;
    log::info("the new certificate is tried again", {{"in", format(pause)}});
  }

  /// Sockets of the generation in force that `next` has not: nobody will accept from them any more.
  void close_gone(const Generation& next) {
    for (const OpenListener& listener : in_force_->listeners) {
      const bool stays = std::any_of(next.listeners.begin(), next.listeners.end(),
                                     [&](const OpenListener& other) { return other.socket == listener.socket; });
      if (!stays) {
        log::info("no longer listening", {{"address", format(listener.bound.address)}});
        refuse_connections(*listener.socket);
      }
    }
    for (const OpenListener& listener : next.listeners) {
      const bool was_open = std::any_of(in_force_->listeners.begin(), in_force_->listeners.end(),
                                        [&](const OpenListener& other) { return other.socket == listener.socket; });
      if (!was_open) {
        log::info("listening", {{"address", format(listener.bound.address)}});
      }
    }
  }

  // ---- workers

  Result<void> start(const std::shared_ptr<const Generation>& generation, Why why) {
    Handover handover = generation->handover();
    handover.counts_fd = counts_.file.get();
    handover.beside = serving_.has_value();
    const MemoryKills kills = count_memory_kills();
    TRILBY_ASSIGN(WorkerProcess process, start_worker(std::move(handover), options_.worker_arguments));
    starting_.emplace();
    starting_->process = std::move(process);
    starting_->why = why;
    starting_->generation = generation;
    starting_->kills_before = kills;
    return {};
  }

  /// How it ended that a worker was to take the place of one that serves.
  void count(Why why, bool well) {
    if (why == Why::Reload) {
      counts_.counts->reloads.count(well);
    } else if (why == Why::Renewal) {
      counts_.counts->renewals.count(well);
    }
  }

  void on_report() {
    const auto report = read_report(starting_->process);
    if (!report) {
      starting_->process.reports.close();  // SIGCHLD says how it ended
    } else if (*report == Report::Loaded) {
      // Whether it is told decides whether it may be killed without loss, so it waits for this.
      starting_->told_to_serve = tell(starting_->process, Order::Serve);
    } else {
      on_serving();
    }
  }

  /// The worker that was starting serves: it takes the place of the one before.
  void on_serving() {
    Worker next = *std::exchange(starting_, std::nullopt);
    next.serving_since = Clock::now();
    count(next.why, true);
    certificates_unserved_ = renewal_wanted_;  // what has changed since it was started is wanted still
    renew_at_.reset();
    renewal_backoff_.reset();
    reloaded_ = serving_.has_value();
    if (next.generation != in_force_) {
      reloaded_ = true;
      close_gone(*next.generation);
      in_force_ = next.generation;
      backoff_.reset();
      sidecars_due_ = sidecars_.has_value();
    }
    if (auto before = std::exchange(serving_, std::move(next))) {
      retire(std::move(*before), Order::Retire);
    }
    if (is_alone()) {
      on_alone();
    }
  }

  /// Those of the generation in force, once no worker of the one before takes connections: what a sidecar asks its app
  /// when it starts it never asks again.
  void set_sidecars() {
    if (std::exchange(sidecars_due_, false) && in_force_) {
      sidecars_->set(in_force_->sidecars, Clock::now());
    }
  }

  /// Calls that drain may need what the manifest does not have any more.
  void stop_gone_sidecars() {
    if (sidecars_ && leaving_.empty()) {
      sidecars_->stop_gone(Clock::now());
    }
  }

  /// For the first time, the sidecars have to be there as well, or to have had time enough.
  void publish_when_ready() {
    publish_by_.reset();
    if (ever_served_ || !sidecars_ || sidecars_->all_ready()) {
      return publish();
    }
    if (Clock::now() - serving_->serving_since >= kSidecarPatience) {
      log::warn("sidecars are missing; what needs none is served");
      return publish();
    }
    publish_by_ = serving_->serving_since + kSidecarPatience;
  }

  /// No worker before holds the listeners, or arranges anything with sidecars.
  [[nodiscard]] bool is_alone() const {
    return std::all_of(leaving_.begin(), leaving_.end(), [](const Worker& worker) { return worker.released; });
  }

  /// From here on whoever connects gets the worker that serves, if there is one.
  void on_alone() {
    set_sidecars();
    if (stops_ > 0 || !serving_) {
      return;
    }
    (void)tell(serving_->process, Order::Arrange);
    publish_when_ready();
    stop_gone_sidecars();
  }

  /// Tells everybody who serves now, and where.
  void publish() {
    write_ready_file();
    if (failure_) {
      return;
    }
    if (!ever_served_ && options_.on_serving) {
      options_.on_serving(system_);
    } else if (ever_served_) {
      log::info(std::exchange(reloaded_, false) ? "reloaded" : "the system serves again",
                {{"worker", serving_->process.pid}});
    }
    ever_served_ = true;
  }

  void write_ready_file() {
    system_.worker = serving_->process.pid;
    system_.addresses = in_force_->addresses();
    system_.sidecars.clear();
    system_.sidecars.insert(in_force_->sidecar_ports.begin(), in_force_->sidecar_ports.end());
    if (options_.ready_file.empty()) {
      return;
    }
    if (const auto written = app::write_ready_file(options_.ready_file, ready_document(system_)); !written) {
      if (!ever_served_) {
        failure_ = written.error();
      } else {
        log_lines("the ready file is not up to date", written.error());
      }
    }
  }

  /// From here on it is only waited for.
  void retire(Worker worker, Order order) {
    worker.generation.reset();
    worker.kill_at = Clock::now() + options_.grace + kGraceSlack;
    if (!tell(worker.process, order)) {
      worker.kill_at = Clock::now();
    }
    leaving_.push_back(std::move(worker));
  }

  /// What has taken no connection needs no drain.
  void discard(Worker worker) {
    worker.generation.reset();
    worker.discarded = worker.released = true;
    kill(worker.process.pid, SIGKILL);
    leaving_.push_back(std::move(worker));
  }

  void stop() {
    ++stops_;
    if (stops_ == 1) {
      log::info("draining; a second signal stops at once");
      begin_stop();
    } else {
      log::info("stopping at once");
      for (Worker& worker : leaving_) {
        const bool told = stops_ == 2 && tell(worker.process, Order::Stop);
        worker.kill_at = Clock::now() + (told ? kAtOnce : Duration{});
      }
    }
    end_if_alone();
  }

  void begin_stop() {
    restart_at_.reset();
    publish_by_.reset();
    // The workers accept what waits already, then close theirs; so nobody queues where nobody will serve.
    for (const auto* worker : {&serving_, &starting_}) {
      if (*worker) {
        for (const OpenListener& listener : (*worker)->generation->listeners) {
          if (listener.bound.kind != ListenerKind::Admin) {
            refuse_connections(*listener.socket);
          }
        }
      }
    }
    in_force_.reset();
    if (auto worker = std::exchange(serving_, std::nullopt)) {
      retire(std::move(*worker), Order::Stop);
    }
    if (auto worker = std::exchange(starting_, std::nullopt)) {
      worker->told_to_serve ? retire(std::move(*worker), Order::Stop) : discard(std::move(*worker));
    }
  }

  /// Sidecars go last, for calls that drain may need them.
  void end_if_alone() {
    if (stops_ == 0 || !leaving_.empty()) {
      return;
    }
    if (sidecars_ && stops_ > 1) {
      sidecars_->kill_all();
    } else if (sidecars_) {
      sidecars_->stop(Clock::now());
    }
    if (!sidecars_ || sidecars_->empty()) {
      exit_code_ = cut_off_ ? info(Reason::Cancelled).exit_code : 0;
    }
  }

  void on_child_exit(pid_t pid, int status, const rusage& usage) {
    if (sidecars_ && sidecars_->on_exit(pid, status, Clock::now(), !ever_served_)) {
      if (stops_ == 0 && sidecars_->failure()) {
        failure_ = sidecars_->failure();
      }
      return end_if_alone();
    }
    const auto is_it = [&](const Worker& worker) { return worker.process.pid == pid; };
    if (starting_ && is_it(*starting_)) {
      on_failed_start(*std::exchange(starting_, std::nullopt), status);
    } else if (serving_ && is_it(*serving_)) {
      on_crash(*std::exchange(serving_, std::nullopt), status, usage);
    } else if (const auto at = std::find_if(leaving_.begin(), leaving_.end(), is_it); at != leaving_.end()) {
      on_left(*at, status);
      const bool was_alone = is_alone();
      leaving_.erase(at);
      if (!was_alone && is_alone()) {
        on_alone();
      }
      stop_gone_sidecars();
      end_if_alone();
    }
  }

  void on_failed_start(const Worker& worker, int status) {
    if (!ever_served_) {
      if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
        exit_code_ = WEXITSTATUS(status);
      } else {
        failure_ = Error{Reason::Internal, fmt::format("the worker ended while it started: {}", describe_exit(status))};
      }
      return;
    }
    count(worker.why, false);
    if (worker.why == Why::Start) {
      counts_.counts->crashes.add();
    }
    const bool is_reload = worker.why == Why::Reload;
    if (is_reload || serving_) {
      log::error("the reload failed: the new worker ended while it started; what serves goes on",
                 {{"pid", worker.process.pid}, {"end", describe(worker, status)}});
    }
    if (!serving_) {
      return restart_later("the worker ended while it started; starting another", worker, status, {});
    }
    // It has said so when what it read is no good; then the next change is the next try.
    const bool said = WIFEXITED(status) && WEXITSTATUS(status) == info(Reason::Manifest).exit_code;
    if (is_reload) {
      renewal_wanted_ = certificates_unserved_ || renewal_wanted_;
    } else if (!said) {
      renew_later();
    }
  }

  void on_crash(const Worker& worker, int status, const rusage& usage) {
    counts_.counts->crashes.add();
    if (Clock::now() - worker.serving_since > kHealthyAfter) {
      backoff_.reset();
    }
    const Bytes peak{static_cast<std::uint64_t>(usage.ru_maxrss) * 1024};
    if (starting_) {  // of a reload
      log::error("the worker died; the one of the reload takes its place",
                 {{"pid", worker.process.pid}, {"end", describe(worker, status)}, {"peak_memory", format(peak)}});
      return;
    }
    restart_later("the worker died; starting another", worker, status, peak);
  }

  void restart_later(std::string_view message, const Worker& worker, int status, std::optional<Bytes> peak) {
    const Duration pause = backoff_.next();
    restart_at_ = Clock::now() + pause;
    log::error(message, {{"pid", worker.process.pid},
                         {"end", describe(worker, status)},
                         {"in", format(pause)},
                         {"peak_memory", peak ? format(*peak) : "unknown"}});
  }

  void on_left(const Worker& worker, int status) {
    const bool clean = worker.discarded || (WIFEXITED(status) && WEXITSTATUS(status) == 0);
    if (clean) {
      return;
    }
    cut_off_ = cut_off_ || stops_ > 0;
    const bool said = WIFEXITED(status) && WEXITSTATUS(status) == info(Reason::Cancelled).exit_code;
    if (!said) {
      if (worker.kill_at != Clock::time_point::max()) {  // nobody killed it
        counts_.counts->crashes.add();
      }
      log::error("the worker died while it drained; requests may have been cut off",
                 {{"pid", worker.process.pid}, {"end", describe(worker, status)}});
    }
  }

  /// With what the kernel knows of it.
  static std::string describe(const Worker& worker, int status) {
    std::string out = describe_exit(status);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && !worker.kill_at) {
      if (const auto why = explain_kill(worker.kills_before, count_memory_kills()); !why.empty()) {
        out += fmt::format("; {}", why);
      }
    }
    return out;
  }

  void kill_all() {
    for (auto* worker : {&serving_, &starting_}) {
      if (*worker) {
        leaving_.push_back(*std::exchange(*worker, std::nullopt));
      }
    }
    for (const Worker& worker : leaving_) {
      kill(worker.process.pid, SIGKILL);
      waitpid(worker.process.pid, nullptr, 0);
    }
  }

  // ---- the loop

  void wait() {
    std::vector<pollfd> watched = {{signals_.descriptor(), POLLIN, 0},
                                   {starting_ ? starting_->process.reports.get() : -1, POLLIN, 0},
                                   {watch_ ? watch_->descriptor() : -1, POLLIN, 0},
                                   {certificate_watch_ ? certificate_watch_->descriptor() : -1, POLLIN, 0},
                                   awaited_ ? awaited_->polled() : pollfd{-1, 0, 0}};
    const std::size_t first_leaving = watched.size();
    std::transform(leaving_.begin(), leaving_.end(), std::back_inserter(watched), [](const Worker& worker) {
      return pollfd{worker.released ? -1 : worker.process.reports.get(), POLLIN, 0};
    });
    if (sidecars_) {
      sidecars_->append_polled(watched);
    }
    if (poll(watched.data(), watched.size(), timeout()) <= 0) {
      return;
    }
    const bool was_alone = is_alone();
    for (std::size_t i = 0; i < leaving_.size(); ++i) {
      leaving_[i].released = leaving_[i].released || watched[first_leaving + i].revents != 0;  // all it has to report
    }
    if (!was_alone && is_alone()) {
      on_alone();
    }
    if (watched[1].revents != 0) {
      on_report();
    }
    if (watched[2].revents != 0) {
      watch_->on_events(Clock::now());
    }
    if (watched[3].revents != 0) {
      certificate_watch_->on_events(Clock::now());
    }
    if (watched[0].revents != 0) {
      reap();  // first: a worker that is dead by now did not die of what is asked for now
    }
    while (const int signal = signals_.next()) {
      on_signal(signal);
    }
  }

  /// Until the next thing that is to be done, for poll().
  [[nodiscard]] int timeout() const {
    std::optional<Clock::time_point> next;
    const auto consider = [&](const std::optional<Clock::time_point>& at) {
      next = at && (!next || *at < *next) ? at : next;
    };
    consider(restart_at_);
    consider(renew_at_);
    consider(watch_ ? watch_->due() : std::nullopt);
    consider(certificate_watch_ ? certificate_watch_->due() : std::nullopt);
    consider(awaited_ ? awaited_->due() : std::nullopt);
    consider(sidecars_ ? sidecars_->due() : std::nullopt);
    consider(serving_ ? publish_by_ : std::nullopt);
    for (const Worker& worker : leaving_) {
      consider(worker.kill_at);
    }
    if (!next) {
      return -1;
    }
    constexpr std::int64_t kMost = 60'000;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, kMost));
  }

  void act_on_time() {
    const auto now = Clock::now();
    if (awaited_) {
      awaited_->advance(now);
    }
    if (sidecars_) {
      sidecars_->advance(now);
    }
    if (publish_by_ && serving_) {
      publish_when_ready();
    }
    if (restart_at_ && now >= *restart_at_) {
      restart_at_.reset();
      if (const auto started = start(in_force_, Why::Start); !started) {
        log_lines("no worker can be started; trying again", started.error());
        restart_at_ = now + backoff_.longest();
      }
    }
    for (Worker& worker : leaving_) {
      if (worker.kill_at && now >= *worker.kill_at) {
        log::warn("the worker does not stop; killing it", {{"pid", worker.process.pid}});
        kill(worker.process.pid, SIGKILL);
        worker.kill_at = Clock::time_point::max();
      }
    }
    reload_wanted_ = has_changed(watch_, now) || reload_wanted_;
    if (has_changed(certificate_watch_, now)) {
      renewal_wanted_ = certificates_unserved_ = true;
    }
    if (renew_at_ && now >= *renew_at_) {
      renew_at_.reset();
      renewal_wanted_ = true;
    }
  }

  static bool has_changed(std::optional<FileWatch>& watch, Clock::time_point now) {
    const auto changed = watch && watch->due() && now >= *watch->due() ? watch->take_change() : std::nullopt;
    if (changed) {
      log::info("a file has changed", {{"file", changed->string()}});
    }
    return changed.has_value();
  }

  void reap() {
    int status = 0;
    rusage usage{};
    for (pid_t pid = 0; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0;) {
      on_child_exit(pid, status, usage);
    }
  }

  void on_signal(int signal) {
    switch (signal) {
      case SIGCHLD:
        return reap();
      case SIGHUP:
        return on_hangup();
      default:
        return stop();
    }
  }

  void on_hangup() {
    switch (signals_.hangup()) {
      case Signals::Hangup::Asked:
        reload_wanted_ = true;
        break;
      case Signals::Hangup::TerminalGone:
        log::info("the terminal is gone");
        if (stops_ == 0) {
          stop();
        }
        break;
      case Signals::Hangup::Ignored:
        break;
    }
  }

  SupervisorOptions options_;
  Signals signals_;
  SharedCounts counts_;
  std::optional<FileWatch> watch_;
  std::optional<FileWatch> certificate_watch_;  // once a manifest named some
  std::optional<SidecarWait> awaited_;
  std::optional<Sidecars> sidecars_;
  RunningSystem system_;

  std::shared_ptr<const Generation> in_force_;  // what a worker that died is replaced with; none once it stops
  std::optional<Worker> starting_;
  std::optional<Worker> serving_;
  std::vector<Worker> leaving_;

  bool sidecars_due_ = false;  // they are to be those of the generation in force, and are not yet
  bool ever_served_ = false;   // any worker
  bool reloaded_ = false;      // and not yet said so
  bool reload_wanted_ = false;
  bool renewal_wanted_ = false;
  bool certificates_unserved_ = false;  // they have changed, and no worker that was started since has served
  Backoff backoff_ = kRestartBackoff;
  Backoff renewal_backoff_ = kRenewalBackoff;
  std::optional<Clock::time_point> restart_at_;
  std::optional<Clock::time_point> renew_at_;
  std::optional<Clock::time_point> publish_by_;  // set while a first worker serves and sidecars are missing
  int stops_ = 0;
  bool cut_off_ = false;
  std::optional<int> exit_code_;
  std::optional<Error> failure_;
};

}  // namespace

Result<int> supervise(SupervisorOptions options) {
  TRILBY_ASSIGN(Signals signals, Signals::watch());
  TRILBY_ASSIGN(SharedCounts counts, make_shared_counts());
  std::optional<FileWatch> watch;
  if (options.watch) {
    TRILBY_ASSIGN(watch, FileWatch::create());
  }
  if (!options.ready_file.empty()) {
    unlink(options.ready_file.c_str());  // of one that was killed: who waits for the file would take it for ours
  }
  const log::Background log_goes_on;  // whoever reads it: signals and crashes must not wait for that
  return Supervisor(std::move(options), std::move(signals), std::move(counts), std::move(watch)).run();
}

}  // namespace trilby::app
