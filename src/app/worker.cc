#include "app/worker.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>
#include <future>
#include <numeric>
#include <optional>
#include <thread>
#include <utility>

#include <sys/prctl.h>
#include <sys/resource.h>

#include "app/admin.h"
#include "app/expiry_reminder.h"
#include "app/manifest_settings.h"
#include "app/reconcilers.h"
#include "app/shared_counts.h"
#include "app/telemetry.h"
#include "app/tls_files.h"
#include "app/watchdog.h"
#include "app/wiring.h"
#include "app/wiring_loop.h"
#include "app/wiring_own_loop.h"
#include "app/wiring_routes.h"
#include "app/worker_lockdown.h"
#include "app/worker_wait.h"
#include "base/log.h"
#include "invoke/own_loops.h"
#include "invoke/sibling_loops.h"
#include "net/acceptor.h"
#include "observe/process.h"

namespace trilby::app {
namespace {

constexpr std::uint32_t kMaxLoops = 256;
// For calls with files and much memory. More than one even on one core: what one of them waits for is a disk.
constexpr std::uint32_t kMinOwnLoops = 2;
constexpr std::uint32_t kMaxOwnLoops = 4;
// After the grace period: how long answers that say "draining" may take to go out.
constexpr std::chrono::milliseconds kFarewell{500};
// How long a drained worker waits for the last spans and metrics to arrive, and before that for a loop that may stand
// still to hand over its own.
constexpr std::chrono::seconds kFlush{1};
constexpr std::chrono::milliseconds kFlushOwn{200};
// Longer than Reconcilers::stop() takes, which is longest where a sidecar does not answer. A worker whose grace period
// is shorter waits so long for the note that it leaves.
constexpr std::chrono::milliseconds kSettle{1500};
// How long a handshake over a network takes that was begun before the drain.
constexpr std::chrono::milliseconds kHandshake{250};

/// Everything of one worker, in the order in which it is made; it ends in the other.
class Worker {
 public:
  Worker(const Manifest& manifest, WorkerOptions options) : manifest_(manifest), options_(std::move(options)) {
    for (Listener& listener : options_.listeners) {
      sockets_.emplace_back(std::exchange(listener.socket, -1));
    }
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() { stop_threads(); }

  Result<std::size_t> run() {
    TRILBY_CHECK(start_loops());
    TRILBY_CHECK(prepare_admin());
    if (!options_.beside) {
      TRILBY_CHECK(admin_acceptor_->start());
    }
    TRILBY_CHECK(prepare_tls());
    TRILBY_ASSIGN(runtime_, Runtime::load(manifest_, options_.aot_cache));
    prepare_telemetry();
    TRILBY_CHECK(prepare_apps());
    TRILBY_CHECK(lock_down());
    report(Report::Loaded);
    if (wait_.wait({}) != Wake::Serve) {
      return 0;  // nobody was served yet
    }
    TRILBY_CHECK(start_serving());
    const std::size_t cut_off = drain(wait_.wait({}));
    flush_telemetry();
    stop_threads();
    log::info("stopped");
    return cut_off;
  }

 private:
  Result<void> start_loops();
  Result<void> prepare_admin();
  Result<void> prepare_tls();
  Result<void> prepare_apps();
  void prepare_own_loops(const std::vector<AppRoutes>& apps);
  void prepare_telemetry();
  Result<void> lock_down();
  Result<void> start_serving();
  std::size_t drain(Wake why);
  void flush_telemetry();
  [[nodiscard]] std::size_t live_requests() const;
  void stop_threads();
  [[nodiscard]] Result<std::size_t> app_index(const std::string& id) const;
  void report(Report what) const {
    if (options_.report) {
      options_.report(what);
    }
  }

  /// Runs `work` on each loop and waits for all of them.
  template <typename Work>
  void on_each_loop(const Work& work) {
    std::vector<std::future<void>> done;
    for (const auto& loop : loops_) {
      auto promise = std::make_shared<std::promise<void>>();
      done.push_back(promise->get_future());
      loop->loop().post([&work, promise, target = loop.get()] {
        work(*target);
        promise->set_value();
      });
    }
    std::for_each(done.begin(), done.end(), [](std::future<void>& one) { one.wait(); });
  }
  /// Runs `work` on each of own_loops_, some time. \return that it has run; it may be that it never does
  template <typename Work>
  std::vector<std::future<void>> post_to_own_loops(const Work& work) {
    std::vector<std::future<void>> done;
    for (std::size_t i = 0; i < own_ways_.size(); ++i) {
      auto promise = std::make_shared<std::promise<void>>();
      done.push_back(promise->get_future());
      own_loops_->loop(i).post([this, work, promise, i] {
        work(*own_ways_[i], own_loops_->metrics(i));
        promise->set_value();
      });
    }
    return done;
  }
  /// The same as on_each_loop() on the first loop, which has what is there once.
  template <typename Work>
  void on_home_loop(const Work& work) {
    on_each_loop([&](ServingLoop& loop) {
      if (&loop == loops_.front().get()) {
        work(loop);
      }
    });
  }

  const Manifest& manifest_;
  WorkerOptions options_;
  ReadCounts counts_;                 // the supervisor's; may be null
  std::vector<net::Socket> sockets_;  // in the order of options_.listeners, until an acceptor has them
  std::atomic<WorkerState> state_{WorkerState::Starting};
  WorkerWait wait_;
  const SystemLabels labels_ = make_labels(manifest_);
  BodyBudget request_bodies_{manifest_.server.request_bodies};
  BodyBudget response_bodies_{manifest_.server.response_bodies};
  std::vector<std::shared_ptr<const net::TlsContext>> tls_;  // of each app
  std::unique_ptr<Runtime> runtime_;
  std::optional<invoke::OwnLoops> own_loops_;  // with functions that need them; after what their calls use
  std::vector<OwnLoopWays*> own_ways_;         // one for each of these loops, which owns it
  invoke::SiblingLoops siblings_;              // these
  std::vector<std::unique_ptr<ServingLoop>> loops_;
  std::optional<Watchdog> watchdog_;
  std::unique_ptr<Admin> admin_;              // on the first loop
  std::unique_ptr<Telemetry> telemetry_;      // the same; null: nothing is exported
  std::unique_ptr<Reconcilers> reconcilers_;  // the same
  std::optional<ExpiryReminder> reminder_;    // the same; with TLS
  std::optional<net::Acceptor> app_acceptor_;
  std::optional<net::Acceptor> admin_acceptor_;
};

Result<void> Worker::start_loops() {
  const std::uint32_t cores = std::max(1U, std::thread::hardware_concurrency());
  const std::uint32_t count = std::clamp(options_.loops == 0 ? cores : options_.loops, 1U, kMaxLoops);
  TRILBY_CHECK(wait_.open(options_.orders));
  wait_.on_arrange([this] { loops_.front()->loop().post([this] { reconcilers_->start(); }); });
  const AccessLogSettings& lines = manifest_.access_log;
  const int log_fd = lines.lines == AccessLogSettings::Lines::None ? -1 : options_.access_log;
  observe::Sampling sampling;
  if (lines.lines == AccessLogSettings::Lines::Sampled) {
    sampling = {(lines.full_rate + count - 1) / count, lines.one_in};
  }
  const invoke::BodyBudgets budgets{&request_bodies_, &response_bodies_};
  const bool own = std::any_of(manifest_.functions.begin(), manifest_.functions.end(),
                               [](const Function& function) { return policy::needs_own_loop(function.policy); });
  const bool in_batches = scheduling_in_force(manifest_) == WorkerSettings::Scheduling::Batch;
  try {
    if (own) {
      own_loops_.emplace(std::clamp(count, kMinOwnLoops, kMaxOwnLoops), [&](net::Loop& loop) {
        auto ways = std::make_shared<OwnLoopWays>(loop);  // shared, for a std::function is copyable
        own_ways_.push_back(ways.get());
        return invoke::make_admitted_invoker(loop, budgets,
                                             [ways](std::string_view app_id) { return ways->find(app_id); });
      });
    }
    for (std::uint32_t i = 0; i < count; ++i) {
      loops_.push_back(std::make_unique<ServingLoop>(labels_.labels, log_fd, log::format(), sampling, budgets,
                                                     own_loops_ ? &*own_loops_ : nullptr, siblings_));
      loops_.back()->start(in_batches);
    }
    std::vector<Watchdog::Target> watched;
    std::transform(loops_.begin(), loops_.end(), std::back_inserter(watched),
                   [](const auto& loop) { return Watchdog::Target{loop->loop(), loop->stall_metrics()}; });
    for (std::size_t i = 0; own_loops_ && i < own_loops_->count(); ++i) {
      watched.push_back({own_loops_->loop(i), own_loops_->metrics(i).stall, true});
    }
    watchdog_.emplace(watched);
    watchdog_->start();
  } catch (const std::exception& error) {
    return fail(Reason::Internal, "starting event loop {} of {}: {}", loops_.size() + 1, count, error.what());
  }
  return {};
}

Result<void> Worker::prepare_admin() {
  if (const net::Socket counts(std::exchange(options_.counts, -1)); counts) {
    TRILBY_ASSIGN(counts_, read_counts(counts.get()));
  }
  std::vector<ServingLoop*> all;
  std::transform(loops_.begin(), loops_.end(), std::back_inserter(all), [](const auto& loop) { return loop.get(); });
  std::vector<const observe::OwnLoopMetrics*> own;
  for (std::size_t i = 0; own_loops_ && i < own_loops_->count(); ++i) {
    own.push_back(&own_loops_->metrics(i));
  }
  on_home_loop([&](ServingLoop& home) {
    admin_ = std::make_unique<Admin>(home, all, own, labels_.labels, state_, *watchdog_);
    admin_->metrics().set_supervisor(counts_.get());
  });
  admin_acceptor_.emplace(std::vector{&loops_.front()->loop()});
  for (std::size_t i = 0; i < sockets_.size(); ++i) {
    if (options_.listeners[i].kind == ListenerKind::Admin) {
      admin_acceptor_->add(std::move(sockets_[i]), [this](std::size_t /*loop*/, net::Accepted connection) {
        admin_->adopt(std::move(connection));
      });
    }
  }
  return {};
}

Result<void> Worker::prepare_tls() {
  TRILBY_ASSIGN(tls_, load_all_tls(manifest_));
  const std::vector<ServedCertificate> served = served_certificates(manifest_, tls_);
  if (served.empty()) {
    return {};
  }
  std::vector<observe::CertificateExpiry> expiries;
  std::transform(served.begin(), served.end(), std::back_inserter(expiries), [](const ServedCertificate& one) {
    return observe::CertificateExpiry{one.app, one.valid_until.time_since_epoch().count()};
  });
  on_home_loop([&](ServingLoop& home) {
    admin_->metrics().set_certificates(std::move(expiries));
    reminder_.emplace(home.loop(), served);
  });
  return {};
}

Result<std::size_t> Worker::app_index(const std::string& id) const {
  const auto at =
      std::find_if(manifest_.apps.begin(), manifest_.apps.end(), [&](const App& app) { return app.id == id; });
  if (at == manifest_.apps.end()) {
    return fail(Reason::Internal, "a listener was handed over for the app '{}', which the manifest does not have", id);
  }
  return static_cast<std::size_t>(at - manifest_.apps.begin());
}

Result<void> Worker::prepare_apps() {
  TRILBY_ASSIGN(std::vector<AppRoutes> apps,
                make_routes(manifest_, labels_, [this](std::string_view name) { return runtime_->function(name); }));
  add_sidecars(manifest_, options_.dapr_token, apps);
  std::vector<ServedListener> served;
  std::vector<net::Loop*> all;
  std::transform(loops_.begin(), loops_.end(), std::back_inserter(all), [](const auto& loop) { return &loop->loop(); });
  app_acceptor_.emplace(std::move(all));
  for (std::size_t i = 0; i < sockets_.size(); ++i) {
    const Listener& listener = options_.listeners[i];
    if (listener.kind == ListenerKind::Admin) {
      continue;
    }
    TRILBY_ASSIGN(const std::size_t app, app_index(listener.app));
    const bool is_app_channel = listener.kind == ListenerKind::AppChannel;
    app_acceptor_->add(std::move(sockets_[i]),
                       [this, index = served.size()](std::size_t loop, net::Accepted connection) {
                         loops_[loop]->adopt(index, std::move(connection));
                       });
    const auto tls_label = is_app_channel ? labels_.apps[app].tls_channel : labels_.apps[app].tls_public;
    served.push_back({app, is_app_channel ? options_.app_token : "", is_app_channel, tls_label ? tls_[app] : nullptr,
                      tls_label.value_or(0)});
  }
  on_each_loop([&](ServingLoop& loop) { loop.serve(apps, served, manifest_.server.limits, options_.other_apps); });
  prepare_own_loops(apps);
  on_home_loop([&](ServingLoop& home) { reconcilers_ = std::make_unique<Reconcilers>(home.loop(), manifest_, apps); });
  return {};
}

void Worker::prepare_own_loops(const std::vector<AppRoutes>& apps) {
  const auto spans = telemetry_ ? telemetry_->span_export() : std::nullopt;
  const auto prepared = post_to_own_loops([this, &apps, &spans](OwnLoopWays& ways, observe::OwnLoopMetrics& metrics) {
    ways.add(apps, spans, metrics, labels_.labels);
  });
  std::for_each(prepared.begin(), prepared.end(), [](const std::future<void>& one) { one.wait(); });
}

void Worker::prepare_telemetry() {
  if (!manifest_.observe.traces && !manifest_.observe.metrics) {
    return;
  }
  on_home_loop([&](ServingLoop& home) {
    telemetry_ = std::make_unique<Telemetry>(manifest_, options_.traces_headers, options_.metrics_headers, home,
                                             admin_->metrics());
  });
  if (const auto spans = telemetry_->span_export()) {
    on_each_loop([&](ServingLoop& loop) { loop.trace(*spans, manifest_.apps.size()); });
  }
}

/// Nothing is loaded and no file of ours is opened from here on; callers' bytes come in from here on.
Result<void> Worker::lock_down() {
  (void)observe::process_facts();  // reads once when the machine was started, from a file that is closed to it then
  TRILBY_ASSIGN(const Lockdown lockdown, lock_worker_down(manifest_));
  std::vector<observe::WallLayer> wall;
  std::transform(kLayers.begin(), kLayers.end(), std::back_inserter(wall),
                 [&](Layer layer) { return observe::WallLayer{name(layer), lockdown[layer].on}; });
  on_home_loop([&](const ServingLoop& /*home*/) { admin_->metrics().set_wall(std::move(wall)); });
  return {};
}

Result<void> Worker::start_serving() {
  if (options_.beside) {
    TRILBY_CHECK(admin_acceptor_->start());
  }
  TRILBY_CHECK(app_acceptor_->start());
  state_ = WorkerState::Serving;
  log::info("serving",
            {{"apps", manifest_.apps.size()}, {"functions", manifest_.functions.size()}, {"loops", loops_.size()}});
  report(Report::Serving);
  return {};
}

std::size_t Worker::live_requests() const {
  return std::accumulate(loops_.begin(), loops_.end(), std::size_t{0}, [](std::size_t sum, const auto& loop) {
    return sum + static_cast<std::size_t>(std::max<std::int64_t>(loop->metrics().live_requests.value(), 0));
  });
}

/// \return how many requests were cut off
std::size_t Worker::drain(Wake why) {
  log::info("draining", {{"grace", trilby::format(options_.grace)}});
  const auto began = Clock::now();
  const bool leaves = why == Wake::Retire;
  wait_.expect(loops_.size() + 1 + (leaves ? 1 : 0));  // the reconcilers, and the admin listener
  wait_.on_settled([this, leaves] {
    if (leaves) {
      report(Report::Released);
    }
  });
  loops_.front()->loop().post([this] {
    reconcilers_->stop([this] {
      wait_.settle();
      wait_.end_one();
    });
  });
  const auto drained = [this] { wait_.end_one(); };
  if (leaves) {
    admin_acceptor_->stop();  // the next worker says how the system is
    loops_.front()->loop().post([this, drained] { admin_->drain(drained); });
    app_acceptor_->stop();
  } else {
    state_ = WorkerState::Draining;
    app_acceptor_->stop(kHandshake);
  }
  for (const auto& loop : loops_) {
    loop->loop().post([drained, target = loop.get()] { target->drain(drained); });
  }
  const Wake end = wait_.wait(began + options_.grace);
  if (end == Wake::Drained) {
    return 0;
  }
  const std::size_t cut_off = live_requests();
  if (cut_off > 0) {
    log::warn(end == Wake::Timeout ? "cutting off requests that did not end within the grace period"
                                   : "cutting off requests, for an end at once was asked for",
              {{"requests", cut_off}});
  }
  if (end == Wake::Timeout) {
    for (const auto& loop : loops_) {
      loop->loop().post([target = loop.get()] { target->cancel_calls(Reason::Draining); });
    }
    const Wake farewell = wait_.wait(Clock::now() + kFarewell);
    if (farewell == Wake::Timeout && !wait_.settled()) {
      (void)wait_.wait(began + kSettle);
    }
  }
  return cut_off;
}

/// A collector that does not take it in time does not keep anybody waiting.
void Worker::flush_telemetry() {
  if (!telemetry_) {
    return;
  }
  const auto until = Clock::now() + kFlushOwn;
  const auto own =
      post_to_own_loops([](OwnLoopWays& ways, const observe::OwnLoopMetrics& /*metrics*/) { ways.hand_over_spans(); });
  std::for_each(own.begin(), own.end(), [until](const std::future<void>& one) { one.wait_until(until); });
  const auto done = std::make_shared<std::promise<void>>();
  const auto flush = [this, done] { telemetry_->flush([done] { done->set_value(); }); };
  const auto missing = std::make_shared<std::atomic<std::size_t>>(loops_.size());
  for (const auto& loop : loops_) {
    loop->loop().post([this, flush, missing, target = loop.get()] {
      target->hand_over_spans();
      if (missing->fetch_sub(1) == 1) {
        loops_.front()->loop().post(flush);
      }
    });
  }
  done->get_future().wait_for(kFlush);
}

void Worker::stop_threads() {
  admin_acceptor_.reset();
  app_acceptor_.reset();
  if (watchdog_) {
    watchdog_->stop();
  }
  // The loop of the admin listener goes last, for the others post to it.
  std::for_each(loops_.rbegin(), loops_.rend(), [](const auto& loop) { loop->stop(); });
  if (own_loops_) {
    own_loops_->stop();  // after those that hand calls over, before they are destroyed, for it posts to them
  }
}

/// Each connection is a descriptor, and the usual soft limit is 1024.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

}  // namespace

Result<std::size_t> run_worker(const Manifest& manifest, WorkerOptions options) {
  // A reader that is gone and a disk that is full are errors, not signals.
  (void)std::signal(SIGPIPE, SIG_IGN);
  (void)std::signal(SIGXFSZ, SIG_IGN);
  const log::Background log_goes_on;  // however slowly it is read
  Worker worker(manifest, std::move(options));
  // Nothing that this process starts may gain rights.
  raise_descriptor_limit();
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return fail(Reason::Internal, "setting no_new_privs: {}", std::strerror(errno));
  }
  return worker.run();
}

}  // namespace trilby::app
