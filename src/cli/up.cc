#include "base/environment_variable.h"
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
            "sockets stay open.\n\n"
            "With --sidecar daprd, a Dapr sidecar is started beside each app, looked after, and stopped once "
            "everything "
            "has drained.",
        .examples =
            "trilby up\n"
            "trilby up examples/images/trilby.toml\n"
            "trilby up --watch\n"
            "trilby up --sidecar daprd --resources-path components\n"
            "trilby up --port web=0 --admin-port 0 --ready-file /tmp/ready.json"};
  }

  [[nodiscard]] Syntax syntax() override {
    Syntax out;
    out.arguments = {{"MANIFEST", "the manifest of the system, instead of -m", &manifest_argument_, false, {}}};
    out.options = system_.options();
    append(
        out.options,
        {{"--sidecar", "PROGRAM", "start one beside each app", &sidecar_, {}, {"daprd"}},
         {"--daprd", "FILE", "this daprd, instead of one of \"make dapr\" or in PATH [TRILBY_DAPRD]", &daprd_, {}, {}},
         {"--resources-path", "DIR", "Dapr's components, for each sidecar; may be repeated", &resources_, {}, {}},
         {"--config", "FILE", "Dapr's configuration, for each sidecar; may be repeated", &configurations_, {}, {}},
         {"--daprd-arg",
          "ARG",
          "one more argument for each sidecar, as in --daprd-arg=--log-level=warn; may be "
          "repeated",
          &daprd_arguments_,
          {},
          {}}});
    return out;
  }

  [[nodiscard]] int run() override {
    if (!manifest_argument_.empty()) {
      system_.manifest.path = manifest_argument_;
    }
    app::SupervisorOptions options;
    options.load = [this] { return load(); };
    auto sidecars = sidecar_program();
    if (!sidecars) {
      return report(sidecars.error());
    }
    options.sidecars = std::move(*sidecars);
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

  [[nodiscard]] Result<std::optional<app::SidecarProgram>> sidecar_program() const {
    if (sidecar_.empty()) {
      if (!daprd_.empty() || !resources_.empty() || !configurations_.empty() || !daprd_arguments_.empty()) {
        return fail(Reason::BadRequest,
                    "--daprd, --resources-path, --config and --daprd-arg are for the sidecars of --sidecar daprd");
      }
      return std::nullopt;
    }
    app::SidecarProgram program;
    // Read here, for it is no mistake where no sidecars are started.
    TRILBY_ASSIGN(program.daprd, app::find_daprd(daprd_.empty() ? environment_variable("TRILBY_DAPRD") : daprd_));
    for (const std::string& folder : resources_) {
      program.arguments.insert(program.arguments.end(), {"--resources-path", folder});
    }
    for (const std::string& file : configurations_) {
      program.arguments.insert(program.arguments.end(), {"--config", file});
    }
    program.arguments.insert(program.arguments.end(), daprd_arguments_.begin(), daprd_arguments_.end());
    return program;
  }

  SystemOptions system_;
  std::string sidecar_;
  std::string daprd_;
  std::vector<std::string> resources_;
  std::vector<std::string> configurations_;
  std::vector<std::string> daprd_arguments_;
  std::string manifest_argument_;
};

}  // namespace

std::unique_ptr<Command> make_up() {
  return std::make_unique<Up>();
}

}  // namespace trilby::cli
