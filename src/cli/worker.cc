#include "app/worker.h"

#include <optional>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/manifest_observe.h"
#include "app/manifest_selection.h"
#include "app/manifest_settings.h"
#include "app/supervisor_handover.h"
#include "app/tokens.h"
#include "base/environment_variable.h"
#include "base/log.h"
#include "base/number.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/report.h"

namespace trilby::cli {
namespace {

constexpr std::string_view kHeadersVariable = "OTEL_EXPORTER_OTLP_HEADERS, or that of a signal";

template <typename Number>
Result<Number> number_up_to(std::string_view name, std::string_view text, Number most) {
  const auto number = parse_number<Number>(text);
  if (!number || *number < 0 || *number > most) {
    return fail(Reason::BadRequest, "{}: \"{}\" is no number from 0 to {}", name, text, most);
  }
  return *number;
}

/// What the supervisor left in its sealed file.
Result<std::string> read_all_of(int descriptor) {
  struct stat status{};
  if (fstat(descriptor, &status) != 0) {
    return fail(Reason::BadRequest, "--manifest-fd: descriptor {} is not open", descriptor);
  }
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  if (pread(descriptor, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    return fail(Reason::Internal, "cannot read the manifest that the supervisor handed over");
  }
  return text;
}

void set_close_on_exec(int descriptor) {
  fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

/// The process that serves. `trilby up` and `trilby serve` start it; people do not.
class Worker final : public Command {
 public:
  [[nodiscard]] About about() const override {
    return {.name = "worker",
            .summary = "Serve on sockets that a supervisor handed over",
            .details = "\"trilby up\" and \"trilby serve\" start this; it is of no use by hand.",
            .examples = {},
            .hidden = true};
  }

  [[nodiscard]] Syntax syntax() override {
    Syntax out;
    out.options = {
        {"--manifest", "FILE", "the manifest's path", &path_, {}, {}},
        {"--manifest-fd", "N", "a descriptor with the manifest's text", &manifest_fd_, {}, {}},
        {"--app", "APP", "serve only this one", &app_, {}, {}},
        {"--protocol",
         "PROTOCOL",
         "its app channel speaks this",
         &protocol_,
         {},
         {std::begin(app::kProtocols), std::end(app::kProtocols)}},
        {"--reports-fd", "N", "a descriptor for what it reports", &reports_fd_, {}, {}},
        {"--orders-fd", "N", "a descriptor for what it is told", &orders_fd_, {}, {}},
        {"--counts-fd", "N", "a descriptor of what its supervisor counts", &counts_fd_, {}, {}},
        {"--beside", {}, "another one serves until this one does", &beside_, {}, {}},
        {"--through-sidecars", {}, "apps reach each other through their sidecars", &through_sidecars_, {}, {}},
        {"--listener", "KIND:APP=N", "a listening socket; may be repeated", &listeners_, {}, {}},
        {"--port", "APP.sidecar=N", "where the sidecar of an app is; may be repeated", &ports_, {}, {}},
        {"--loops", "N", "event loops; 0: one for each core", &loops_, {}, {}},
        {"--grace", "DURATION", "how long calls may go on once it drains", &grace_, {}, {}},
        cache_option(cache_),
    };
    return out;
  }

  [[nodiscard]] int run() override {
    const auto cut_off = serve();
    if (!cut_off) {
      return say(cut_off.error());
    }
    return *cut_off == 0 ? 0 : info(Reason::Cancelled).exit_code;
  }

 private:
  /// To a person, or, where logs are read by programs, as they are.
  static int say(const Error& error) {
    if (log::format() == log::Format::Human) {
      return report(error);
    }
    log::error("the worker cannot serve", {{"error", error.message}});
    return info(error.reason).exit_code;
  }

  /// \return how many requests were cut off
  Result<std::size_t> serve() {
    constexpr int kMaxDescriptor = 1 << 20;
    constexpr std::uint32_t kMaxLoops = 256;
    TRILBY_ASSIGN(const int manifest_fd, number_up_to("--manifest-fd", manifest_fd_, kMaxDescriptor));
    TRILBY_ASSIGN(const int reports_fd, number_up_to("--reports-fd", reports_fd_, kMaxDescriptor));
    app::WorkerOptions options;
    app::Tokens tokens = app::take_tokens();
    options.app_token = std::move(tokens.app);
    options.dapr_token = std::move(tokens.dapr);
    TRILBY_ASSIGN(options.orders, number_up_to("--orders-fd", orders_fd_, kMaxDescriptor));
    TRILBY_ASSIGN(options.counts, number_up_to("--counts-fd", counts_fd_, kMaxDescriptor));
    options.beside = beside_;
    options.other_apps = through_sidecars_ ? app::OtherApps::ThroughSidecars : app::OtherApps::InProcess;
    set_close_on_exec(reports_fd);
    set_close_on_exec(options.orders);
    TRILBY_ASSIGN(options.loops, number_up_to("--loops", loops_, kMaxLoops));
    TRILBY_ASSIGN(options.grace, parse_duration(grace_));
    options.aot_cache = cache_;
    for (const std::string& text : listeners_) {
      TRILBY_ASSIGN(app::Listener listener, app::parse_listener(text));
      set_close_on_exec(listener.socket);
      options.listeners.push_back(std::move(listener));
    }
    TRILBY_ASSIGN(const std::string manifest_text, read_all_of(manifest_fd));
    close(manifest_fd);
    TRILBY_ASSIGN(app::Manifest manifest, app::parse_manifest(manifest_text, path_));
    if (!app_.empty()) {
      TRILBY_CHECK(app::keep_only(manifest, app_));
      if (const auto protocol = app::protocol_from_name(protocol_)) {
        TRILBY_CHECK(app::set_protocol(manifest, *protocol));
      }
    }
    std::vector<app::PortOverride> ports;
    for (const std::string& text : ports_) {
      TRILBY_ASSIGN(app::PortOverride port, app::parse_port_override(text, app::Origin::Flag, "--port"));
      ports.push_back(std::move(port));
    }
    TRILBY_CHECK(app::apply(manifest, ports));
    TRILBY_CHECK(app::apply_telemetry(manifest, environment_variable));
    if (manifest.observe.traces) {
      TRILBY_ASSIGN(options.traces_headers, app::parse_otlp_headers(tokens.traces_headers, kHeadersVariable));
    }
    if (manifest.observe.metrics) {
      TRILBY_ASSIGN(options.metrics_headers, app::parse_otlp_headers(tokens.metrics_headers, kHeadersVariable));
    }
    prctl(PR_SET_NAME, "trilby-worker");  // it was started by the name of /proc/self/exe
    options.report = [reports_fd](app::Report report) {
      // Who does not read this any more has ended, and this process with it.
      const char byte = static_cast<char>(report);
      (void)!write(reports_fd, &byte, 1);
    };
    return app::run_worker(manifest, std::move(options));
  }

  std::string path_;
  std::string app_;
  std::string protocol_;  // empty: as the manifest says
  std::string manifest_fd_;
  std::string reports_fd_;
  std::string orders_fd_;
  std::string counts_fd_;
  bool beside_ = false;
  bool through_sidecars_ = false;
  std::vector<std::string> listeners_;
  std::vector<std::string> ports_;
  std::string loops_ = "0";
  std::string grace_ = "10s";
  std::string cache_;
};

}  // namespace

std::unique_ptr<Command> make_worker() {
  return std::make_unique<Worker>();
}

}  // namespace trilby::cli
