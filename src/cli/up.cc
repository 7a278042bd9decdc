#include <charconv>
#include <filesystem>

#include <unistd.h>

#include "app/supervisor.h"
#include "app/tokens.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/report.h"

namespace trilby::cli {
namespace {

class Up final : public Command {
 public:
  [[nodiscard]] About about() const override {
    return {
        .name = "up",
        .summary = "Serve the system that a manifest describes",
        .details =
            "Opens the listening sockets, loads models and functions, prints where each app answers, and serves until "
            "SIGTERM or Ctrl-C: the first drains, the second stops at once. SIGHUP reads the manifest and its modules "
            "again without losing a request. When the process that serves crashes, another takes its place and the "
            "sockets stay open.",
        .examples =
            "trilby up\n"
            "trilby up examples/images/trilby.toml\n"
            "trilby up --watch\n"
            "trilby up --port web=0 --admin-port 0 --ready-file /tmp/ready.json"};
  }

  [[nodiscard]] Syntax syntax() override {
    Syntax out;
    out.arguments = {{"MANIFEST", "the manifest of the system, instead of -m", &manifest_argument_, false, {}}};
    out.options = {manifest_.manifest_option()};
    append(out.options, manifest_.port_options());
    append(out.options,
           {{"--ready-file",
             "FILE",
             "write the addresses here, as JSON, once the system serves",
             &ready_file_,
             "TRILBY_READY_FILE",
             {}},
            {"--watch", {}, "reload when the manifest, a module or a model changes", &watch_, {}, {}},
            {"--loops", "N", "event loops, 1 to 256; 0: one for each core", &loops_, "TRILBY_LOOPS", {}},
            {"--grace", "DURATION", "how long calls may go on after the first signal", &grace_, "TRILBY_GRACE", {}},
            cache_option(cache_),
            output_.option()});
    return out;
  }

  [[nodiscard]] int run() override {
    if (!manifest_argument_.empty()) {
      manifest_.path = manifest_argument_;
    }
    app::SupervisorOptions options;
    const auto grace = parse_duration(grace_);
    if (!grace) {
      return report({Reason::BadRequest, "--grace: " + grace.error().message});
    }
    options.grace = *grace;
    options.load = [this] { return load(); };
    options.worker_arguments = {"--loops", loops_, "--grace", grace_};
    if (!cache_.empty()) {
      append_absolute(options.worker_arguments, "--aot-cache", cache_);
    }
    options.watch = watch_;
    options.ready_file = ready_file_.empty() ? "" : std::filesystem::absolute(ready_file_);
    options.on_serving = [this](const app::RunningSystem& system) { announce(system); };
    app::hide_tokens();
    const auto exit_code = app::supervise(std::move(options));
    return exit_code ? *exit_code : report(exit_code.error(), manifest_.mend());
  }

 private:
  [[nodiscard]] Result<app::LoadedManifest> load() const {
    TRILBY_ASSIGN(ManifestOptions::Loaded loaded, manifest_.load());
    if (loaded.manifest.apps.empty()) {
      return fail(Reason::Manifest,
                  "{}: no app is defined, so there is nothing to serve\n"
                  "try: write an [app.NAME] with a port and routes (docs/manifest.md)",
                  manifest_.path);
    }
    return app::LoadedManifest{std::move(loaded.text), std::move(loaded.manifest)};
  }

  static void append_absolute(std::vector<std::string>& out, const std::string& name, const std::string& path) {
    out.push_back(name);
    out.push_back(std::filesystem::absolute(path).string());
  }

  void announce(const app::RunningSystem& system) const {
    if (output_.json()) {
      (void)print(app::ready_document(system) + "\n");
      return;
    }
    std::vector<std::vector<std::string>> rows;
    for (const app::BoundAddress& bound : system.addresses) {
      if (bound.kind == app::ListenerKind::Admin) {
        rows.push_back(
            {"(admin)", app::url(bound.address), styled("/metrics /livez /readyz", Style::Dim, STDOUT_FILENO)});
      } else if (bound.kind == app::ListenerKind::AppChannel) {
        const app::Address& routes = app::routes_address(system, bound.app)->address;
        const bool apart = app::url(routes) != app::url(bound.address);
        rows.push_back({bound.app, app::url(routes),
                        apart ? styled("app channel " + app::url(bound.address), Style::Dim, STDOUT_FILENO) : ""});
      }
    }
    // Whoever reads this may be gone; the system serves all the same.
    (void)print(table(rows));
  }

  ManifestOptions manifest_;
  OutputOption output_;
  std::string manifest_argument_;
  std::string ready_file_;
  std::string loops_ = "0";
  std::string grace_ = "10s";
  std::string cache_;
  bool watch_ = false;
};

}  // namespace

std::unique_ptr<Command> make_up() {
  return std::make_unique<Up>();
}

}  // namespace trilby::cli
