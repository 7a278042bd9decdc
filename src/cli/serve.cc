#include "app/dapr_environment.h"
#include "cli/commands.h"
#include "cli/report.h"
#include "cli/system_options.h"

namespace trilby::cli {
namespace {

/// One app, for whoever starts one process for each: `dapr run`, Kubernetes.
class Serve final : public Command {
 public:
  [[nodiscard]] About about() const override {
    return {
        .name = "serve",
        .summary = "Serve one app of a manifest beside the Dapr sidecar that somebody else starts",
        .details =
            "For \"dapr run\", whose variables it takes: APP_ID names the app when APP does not, APP_PORT and "
            "APP_PROTOCOL "
            "stand above the manifest's port and protocol, and its sidecar is looked for at DAPR_HTTP_PORT. Loads what "
            "this app needs and "
            "nothing "
            "else. What needs no sidecar is served before it is there. All else is as with \"trilby up\", but that the "
            "admin listener takes any free port unless --admin-port or TRILBY_ADMIN_PORT gives one.",
        .examples =
            "trilby serve image-api-rs -m examples/images/trilby.toml\n"
            "dapr run --app-id image-api-rs --app-port 9004 --dapr-http-port 3502 -- trilby serve"};
  }

  [[nodiscard]] Syntax syntax() override {
    Syntax out;
    out.arguments = {{"APP", "the app-id, if APP_ID does not say it", &app_argument_, false, {}}};
    out.options = system_.options();
    return out;
  }

  [[nodiscard]] int run() override {
    const auto told = app::read_dapr_environment();
    if (!told) {
      return report(told.error());
    }
    const auto app = app::choose_app(app_argument_, *told);
    if (!app) {
      return report(app.error());
    }
    system_.manifest.serve_only(*app, told->app_port, told->protocol);
    app::SupervisorOptions options;
    options.load = [this]() -> Result<app::LoadedManifest> {
      TRILBY_ASSIGN(ManifestOptions::Loaded loaded, system_.manifest.load());
      return app::LoadedManifest{std::move(loaded.text), std::move(loaded.manifest)};
    };
    options.worker_arguments = {"--app", *app};
    if (told->protocol) {
      options.worker_arguments.insert(
          options.worker_arguments.end(),
          {"--protocol", std::string(app::kProtocols[static_cast<std::size_t>(*told->protocol)])});
    }
    options.await_sidecar = true;
    return system_.serve(std::move(options));
  }

 private:
  SystemOptions system_;
  std::string app_argument_;
};

}  // namespace

std::unique_ptr<Command> make_serve() {
  return std::make_unique<Serve>();
}

}  // namespace trilby::cli
