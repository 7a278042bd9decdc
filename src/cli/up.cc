#include "cli/commands.h"
#include "cli/report.h"
#include "cli/system_options.h"

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
    out.options = system_.options();
    return out;
  }

  [[nodiscard]] int run() override {
    if (!manifest_argument_.empty()) {
      system_.manifest.path = manifest_argument_;
    }
    app::SupervisorOptions options;
    options.load = [this] { return load(); };
    return system_.serve(std::move(options));
  }

 private:
  [[nodiscard]] Result<app::LoadedManifest> load() const {
    TRILBY_ASSIGN(ManifestOptions::Loaded loaded, system_.manifest.load());
    if (loaded.manifest.apps.empty()) {
      return fail(Reason::Manifest,
                  "{}: no app is defined, so there is nothing to serve\n"
                  "try: write an [app.NAME] with a port and routes (docs/manifest.md)",
                  system_.manifest.path);
    }
    return app::LoadedManifest{std::move(loaded.text), std::move(loaded.manifest)};
  }

  SystemOptions system_;
  std::string manifest_argument_;
};

}  // namespace

std::unique_ptr<Command> make_up() {
  return std::make_unique<Up>();
}

}  // namespace trilby::cli
