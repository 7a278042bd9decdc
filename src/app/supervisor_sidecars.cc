#include "app/supervisor_sidecars.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <iterator>
#include <set>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/backoff.h"
#include "app/manifest_sidecar.h"
#include "app/sidecar_log.h"
#include "app/supervisor_child.h"
#include "app/supervisor_port_owner.h"
#include "app/supervisor_probe.h"
#include "app/supervisor_process.h"
#include "base/environment_variable.h"
#include "base/log.h"
#include "net/socket.h"

namespace trilby::app {
namespace {

using namespace std::chrono_literals;

constexpr Duration kGrace = 5s;  // that daprd gives what it has begun
constexpr Duration kGraceSlack = 5s;
constexpr const char* kLoopback = "127.0.0.1";
constexpr const char* kHostVariable = "DAPR_HOST_IP";

/// What daprd is to speak with its app: of what an app channel of `protocol` takes, what makes both quickest.
std::string_view protocol_for_sidecar(Protocol protocol) {
  return protocol == Protocol::Http ? "h2c" : kProtocols[static_cast<std::size_t>(protocol)];
}

/// \return Reason::Manifest when somebody else has its port
Result<void> check_free(const SidecarPlan& plan) {
  const auto free = net::listen_tcp(kLoopback, plan.http);
  if (free) {
    return {};
  }
  const auto owner = find_port_owner(plan.http);
  return fail(
      Reason::Manifest,
      "app.{}.sidecar.http: {}\n"
      "try: stop that, write another port, or add --port {}.sidecar=0 for any free one",
      plan.app,
      owner ? fmt::format("{}:{} is in use by {}", kLoopback, plan.http, describe(*owner)) : free.error().message,
      plan.app);
}

/// Where other sidecars reach it: this machine alone, unless whoever starts Trilby says otherwise.
std::string host_address() {
  const std::string given = environment_variable(kHostVariable);
  return given.empty() ? kLoopback : given;
}

}  // namespace

/// One sidecar, run after run.
class Sidecars::One {
 public:
  /// What the end of a run comes to.
  enum class Ending : std::uint8_t {
    Gone,      ///< nothing is left of it
    Replaced,  ///< by another run, now or later
    /// Replaced, but it was the first run and ended by itself with an error, at once or while it was awaited. (Under
    /// load daprd may answer that it can be used and end a moment later of a component that it cannot make.)
    Failed,
  };

  One(const Sidecars& all, SidecarPlan plan) : all_(all), plan_(std::move(plan)) {}
  One(const One&) = delete;
  One& operator=(const One&) = delete;

  [[nodiscard]] const SidecarPlan& plan() const { return plan_; }
  [[nodiscard]] pid_t pid() const { return pid_; }  ///< 0: it does not run
  [[nodiscard]] bool leaves() const { return leaves_; }
  [[nodiscard]] bool ever_ready() const { return ever_ready_; }
  [[nodiscard]] const SidecarLog& log() const { return log_; }
  /// What it will be once it has ended, if it is to be replaced, or else what it is.
  [[nodiscard]] const SidecarPlan& wanted() const { return next_ ? *next_ : plan_; }
  /// That it listens on, or will.
  [[nodiscard]] std::set<std::uint16_t> ports() const {
    return {plan_.http, wanted().http, grpc_port_, internal_port_, metrics_port_};
  }
  [[nodiscard]] bool gone() const { return gone_; }
  void set_gone(bool gone) { gone_ = gone; }  ///< it is not started again

  void start(Clock::time_point now) {
    restart_at_.reset();
    started_ = now;
    if (const auto started = spawn(); !started) {
      first_run_ = false;
      log::error("no sidecar can be started; trying again", {{"app", plan_.app}, {"error", started.error().message}});
      restart_later(now);
      return;
    }
    probe_.emplace(Address{kLoopback, plan_.http}, now);
  }

  /// Instead of what ran before, which has ended.
  void become(SidecarPlan plan, Clock::time_point now) {
    plan_ = std::move(plan);
    leaves_ = false;
    backoff_.reset();
    start(now);
  }

  /// From here on it is only waited for. \param next  takes its place once it has ended
  void stop(Clock::time_point now, std::optional<SidecarPlan> next = {}) {
    next_ = std::move(next);
    if (leaves_) {
      return;
    }
    leaves_ = true;
    restart_at_.reset();
    probe_.reset();
    if (pid_ != 0) {
      kill(pid_, SIGTERM);
      kill_at_ = now + kGrace + kGraceSlack;
    }
  }

  void append_polled(std::vector<pollfd>& polled) const {
    polled.push_back({output_.get(), POLLIN, 0});
    if (probe_) {
      polled.push_back(probe_->polled());
    }
  }

  [[nodiscard]] std::optional<Clock::time_point> due() const {
    return restart_at_ ? restart_at_ : kill_at_ ? kill_at_ : probe_ ? std::optional(probe_->due()) : std::nullopt;
  }

  void advance(Clock::time_point now) {
    read_output();
    if (probe_ && probe_->advance(now)) {
      probe_.reset();
      ever_ready_ = true;
      log::info("the sidecar is there", {{"app", plan_.app},
                                         {"address", format(Address{kLoopback, plan_.http})},
                                         {"after", trilby::format(Duration(now - started_))}});
    }
    if (restart_at_ && now >= *restart_at_) {
      start(now);
    }
    if (kill_at_ && now >= *kill_at_) {
      log::warn("the sidecar does not stop; killing it", {{"app", plan_.app}, {"pid", pid_}});
      kill(pid_, SIGKILL);
      kill_at_.reset();
    }
  }

  [[nodiscard]] Ending on_exit(int status, Clock::time_point now, bool awaited) {
    read_output();
    log_.finish();
    output_.close();
    probe_.reset();
    kill_at_.reset();
    const pid_t pid = std::exchange(pid_, 0);
    const bool first_run = std::exchange(first_run_, false);
    if (!leaves_ && !gone_) {
      const bool by_itself = WIFEXITED(status) && WEXITSTATUS(status) != 0;
      const bool at_once = now - started_ < kHealthyAfter;
      const bool failed_to_start = first_run && by_itself && (at_once || (awaited && !ever_ready_));
      if (now - started_ > kHealthyAfter) {
        backoff_.reset();
      }
      const Duration pause = restart_later(now);
      log::error("the sidecar died; starting another",
                 {{"app", plan_.app}, {"pid", pid}, {"end", describe_exit(status)}, {"in", trilby::format(pause)}});
      return failed_to_start ? Ending::Failed : Ending::Replaced;
    }
    if (gone_ || !next_) {
      return Ending::Gone;
    }
    become(*std::exchange(next_, std::nullopt), now);
    return Ending::Replaced;
  }

  void kill_now() const {
    if (pid_ != 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }

 private:
  /// \return in how long
  Duration restart_later(Clock::time_point now) {
    const Duration pause = backoff_.next();
    restart_at_ = now + pause;
    return pause;
  }

  Result<void> spawn() {
    TRILBY_ASSIGN(Pipe output, make_pipe(0));
    fcntl(output.read.get(), F_SETFL, O_NONBLOCK);
    TRILBY_ASSIGN(Child child, make_child());
    child.output = output.write.get();
    TRILBY_ASSIGN(pid_, start_child(std::move(child)));
    output_ = std::move(output.read);
    return {};
  }

  Result<Child> make_child() {
    constexpr std::size_t kPorts = 3;
    TRILBY_ASSIGN(const std::vector<std::uint16_t> ports, net::free_ports(kLoopback, kPorts, all_.ports()));
    grpc_port_ = ports[0];
    metrics_port_ = ports[1];
    const std::string host = host_address();
    if (internal_port_ == 0 || !net::listen_tcp(host, internal_port_)) {
      internal_port_ = ports[2];
    }
    Child child;
    child.program = all_.program_.daprd.string();
    child.own_group = true;
    child.variables = {fmt::format("{}={}", kHostVariable, host)};
    child.arguments = {"daprd",
                       "--app-id",
                       plan_.app,
                       "--app-port",
                       std::to_string(plan_.app_port),
                       "--app-protocol",
                       std::string(protocol_for_sidecar(plan_.app_protocol)),
                       "--dapr-http-port",
                       std::to_string(plan_.http),
                       "--dapr-listen-addresses",
                       kLoopback,
                       "--dapr-grpc-port",
                       std::to_string(grpc_port_),
                       "--dapr-internal-grpc-port",
                       std::to_string(internal_port_),
                       "--dapr-internal-grpc-listen-address",
                       host,
                       "--metrics-port",
                       std::to_string(metrics_port_),
                       "--metrics-listen-address",
                       kLoopback,
                       "--max-body-size",
                       std::to_string(plan_.max_body.count),
                       "--dapr-graceful-shutdown-seconds",
                       std::to_string(std::chrono::duration_cast<std::chrono::seconds>(kGrace).count()),
                       "--log-as-json"};
    child.arguments.insert(child.arguments.end(), all_.program_.arguments.begin(), all_.program_.arguments.end());
    return child;
  }

  void read_output() {
    if (!output_) {
      return;
    }
    std::array<char, 16384> piece;
    constexpr int kMostAtOnce = 16;  // others have something to say as well
    for (int i = 0; i < kMostAtOnce; ++i) {
      const ssize_t count = read(output_.get(), piece.data(), piece.size());
      if (count <= 0) {
        if (count == 0) {
          output_.close();
        }
        return;
      }
      log_.append({piece.data(), static_cast<std::size_t>(count)});
    }
  }

  const Sidecars& all_;
  SidecarPlan plan_;
  std::optional<SidecarPlan> next_;
  std::uint16_t grpc_port_ = 0;      // of the last run
  std::uint16_t metrics_port_ = 0;   // of the last run
  std::uint16_t internal_port_ = 0;  // of all runs: other sidecars remember an address for a minute and more
  pid_t pid_ = 0;
  net::Socket output_;
  SidecarLog log_{plan_.app};
  std::optional<SidecarProbe> probe_;  // until this run can be used
  bool ever_ready_ = false;
  bool first_run_ = true;  // until it has ended, or could not be started
  bool leaves_ = false;
  bool gone_ = false;  // from the manifest
  Clock::time_point started_;
  Backoff backoff_ = kRestartBackoff;
  std::optional<Clock::time_point> restart_at_;
  std::optional<Clock::time_point> kill_at_;
};

Sidecars::Sidecars(SidecarProgram program) : program_(std::move(program)) {}

Sidecars::~Sidecars() {
  kill_all();
}

std::set<std::uint16_t> Sidecars::ports() const {
  std::set<std::uint16_t> out;
  std::for_each(running_.begin(), running_.end(), [&](const auto& one) { out.merge(one->ports()); });
  return out;
}

Result<std::vector<SidecarPlan>> Sidecars::plan(const Manifest& manifest,
                                                std::span<const BoundAddress> addresses) const {
  const auto is_stated = [&](const App& app) {
    return app.sidecar && manifest.origins.contains(fmt::format("app.{}.sidecar.http", app.id));
  };
  std::set<std::uint16_t> taken = ports();  // for one whose port was not stated
  std::transform(addresses.begin(), addresses.end(), std::inserter(taken, taken.end()),
                 [](const BoundAddress& bound) { return bound.address.port; });
  std::set<std::uint16_t> stated;
  for (const App& app : manifest.apps) {
    if (is_stated(app)) {
      stated.insert(app.sidecar->http);
    }
  }
  taken.insert(stated.begin(), stated.end());

  std::vector<SidecarPlan> out;
  for (const App& app : manifest.apps) {
    const Sidecar settings = app.sidecar.value_or(Sidecar{});
    SidecarPlan made;
    made.app = app.id;
    made.any_port = is_stated(app) && settings.http == 0;
    made.max_body = settings.max_body;
    const auto channel = std::find_if(addresses.begin(), addresses.end(), [&](const BoundAddress& bound) {
      return bound.kind == ListenerKind::AppChannel && bound.app == app.id;
    });
    made.app_protocol = app.protocol;
    made.told = told_at_start(app);
    made.app_port = channel == addresses.end() ? app.port : channel->address.port;

    const auto own =
        std::find_if(running_.begin(), running_.end(), [&](const auto& one) { return one->plan().app == app.id; });
    const SidecarPlan* const before = own == running_.end() ? nullptr : &(*own)->wanted();
    if (is_stated(app) && !made.any_port) {
      made.http = settings.http;
    } else if (before != nullptr && before->any_port == made.any_port && !stated.contains(before->http)) {
      made.http = before->http;
    } else if (made.any_port) {
      TRILBY_ASSIGN(const std::vector<std::uint16_t> free, net::free_ports(kLoopback, 1, taken));
      made.http = free.front();
    } else {
      made.http = program_.first_port;
      while (taken.contains(made.http)) {
        ++made.http;  // there are far fewer apps than ports
      }
    }
    taken.insert(made.http);
    const bool is_ours = before != nullptr && (before->http == made.http || (*own)->plan().http == made.http);
    if (!is_ours) {
      TRILBY_CHECK(check_free(made));
    }
    out.push_back(std::move(made));
  }
  return out;
}

void Sidecars::set(std::vector<SidecarPlan> plans, Clock::time_point now) {
  first_set_ = running_.empty();
  for (const auto& one : running_) {
    const auto wanted =
        std::find_if(plans.begin(), plans.end(), [&](const SidecarPlan& plan) { return plan.app == one->plan().app; });
    one->set_gone(wanted == plans.end());
    if (one->gone()) {
      continue;
    }
    const bool has_changed = *wanted != one->plan() || one->leaves();
    if (has_changed && one->pid() == 0) {
      one->become(std::move(*wanted), now);
    } else if (has_changed) {
      one->stop(now, std::move(*wanted));
    }
    plans.erase(wanted);
  }
  std::erase_if(running_, [](const auto& one) { return one->gone() && one->pid() == 0; });
  const auto known = static_cast<std::ptrdiff_t>(running_.size());
  for (SidecarPlan& plan : plans) {
    running_.push_back(std::make_unique<One>(*this, std::move(plan)));
  }
  std::for_each(running_.begin() + known, running_.end(), [&](const auto& one) { one->start(now); });
}

void Sidecars::stop_gone(Clock::time_point now) {
  for (const auto& one : running_) {
    if (one->gone()) {
      one->stop(now);
    }
  }
}

void Sidecars::append_polled(std::vector<pollfd>& polled) const {
  std::for_each(running_.begin(), running_.end(), [&](const auto& one) { one->append_polled(polled); });
}

std::optional<Clock::time_point> Sidecars::due() const {
  std::optional<Clock::time_point> next;
  for (const auto& one : running_) {
    const auto due = one->due();
    next = due && (!next || *due < *next) ? due : next;
  }
  return next;
}

void Sidecars::advance(Clock::time_point now) {
  std::for_each(running_.begin(), running_.end(), [&](const auto& one) { one->advance(now); });
}

bool Sidecars::on_exit(pid_t pid, int status, Clock::time_point now, bool awaited) {
  const auto at = std::find_if(running_.begin(), running_.end(), [&](const auto& one) { return one->pid() == pid; });
  if (at == running_.end()) {
    return false;
  }
  const One::Ending ending = (*at)->on_exit(status, now, awaited);
  if (ending == One::Ending::Failed && first_set_ && !failure_) {
    const std::string& why = (*at)->log().last_error();
    failure_ =
        Error{Reason::Manifest, fmt::format("the sidecar of {} ended as soon as it was started: {}{}{}",
                                            (*at)->plan().app, describe_exit(status), why.empty() ? "" : ": ", why)};
  }
  if (ending == One::Ending::Gone) {
    running_.erase(at);
  }
  return true;
}

bool Sidecars::all_ready() const {
  return std::all_of(running_.begin(), running_.end(), [](const auto& one) { return one->ever_ready(); });
}

void Sidecars::stop(Clock::time_point now) {
  std::for_each(running_.begin(), running_.end(), [&](const auto& one) { one->stop(now); });
  std::erase_if(running_, [](const auto& one) { return one->pid() == 0; });
}

void Sidecars::kill_all() {
  std::for_each(running_.begin(), running_.end(), [](const auto& one) { one->kill_now(); });
  running_.clear();
}

Result<std::filesystem::path> find_daprd(const std::filesystem::path& given) {
  const auto can_run = [](const std::filesystem::path& path) {
    std::error_code error;
    return std::filesystem::is_regular_file(path, error) && access(path.c_str(), X_OK) == 0;
  };
  if (!given.empty()) {
    if (!can_run(given)) {
      return fail(Reason::Manifest, "--daprd: {} is no program that can be run", given.string());
    }
    return std::filesystem::absolute(given);
  }
  std::vector<std::filesystem::path> folders;
  std::error_code error;
  const std::string cache = environment_variable("TRILBY_CACHE");
  const std::string home = environment_variable("HOME");
  // Empty where nobody says where it is: a program of the folder that we happen to be started in is not run.
  const std::filesystem::path versions = !cache.empty()  ? std::filesystem::path(cache) / "dapr"
                                         : !home.empty() ? std::filesystem::path(home) / ".cache/trilby/dapr"
                                                         : std::filesystem::path();
  for (const auto& entry : std::filesystem::directory_iterator(versions, error)) {
    folders.push_back(entry.path());
  }
  std::sort(folders.rbegin(), folders.rend());  // the newest, as long as versions have two digits
  const std::string path = environment_variable("PATH");
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find(':', at), path.size());
    folders.emplace_back(path.substr(at, end - at));
    at = end + 1;
  }
  const auto at = std::find_if(folders.begin(), folders.end(), [&](const std::filesystem::path& folder) {
    return !folder.empty() && can_run(folder / "daprd");
  });
  if (at == folders.end()) {
    return fail(Reason::Manifest, "there is no daprd in {}PATH\ntry: make dapr, or --daprd PATH",
                versions.empty() ? "" : (versions / "*").string() + " or ");
  }
  return std::filesystem::absolute(*at / "daprd");
}

}  // namespace trilby::app
