#include "cli/system_options.h"

#include <filesystem>

#include <fmt/ranges.h>
#include <unistd.h>

#include "app/tokens.h"
#include "cli/report.h"

namespace trilby::cli {
namespace {

/// Where each app answers.
std::string addresses_text(const app::RunningSystem& system) {
  std::vector<std::vector<std::string>> rows;
  for (const app::BoundAddress& bound : system.addresses) {
    if (bound.kind == app::ListenerKind::Admin) {
      rows.push_back({"(admin)", app::url(bound), styled("/metrics /livez /readyz", Style::Dim, STDOUT_FILENO)});
    } else if (bound.kind == app::ListenerKind::AppChannel) {
      const app::BoundAddress& routes = *app::routes_address(system, bound.app);
      std::vector<std::string> more;
      if (&routes != &bound) {
        more.push_back("app channel " + app::url(bound));
      }
      if (const auto sidecar = system.sidecars.find(bound.app); sidecar != system.sidecars.end()) {
        more.push_back("sidecar " + app::url({"127.0.0.1", sidecar->second}));
      }
      rows.push_back(
          {bound.app, app::url(routes), styled(fmt::format("{}", fmt::join(more, ", ")), Style::Dim, STDOUT_FILENO)});
    }
  }
  return table(rows);
}

}  // namespace

std::vector<Option> SystemOptions::options() {
  std::vector<Option> out = {manifest.manifest_option()};
  append(out, manifest.port_options());
  append(out, {{"--ready-file",
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

int SystemOptions::serve(app::SupervisorOptions more) const {
  const auto grace = parse_duration(grace_);
  if (!grace) {
    return report({Reason::BadRequest, "--grace: " + grace.error().message});
  }
  more.grace = *grace;
  std::vector<std::string>& arguments = more.worker_arguments;
  arguments.insert(arguments.end(), {"--loops", loops_, "--grace", grace_});
  if (!cache_.empty()) {
    arguments.insert(arguments.end(), {"--aot-cache", std::filesystem::absolute(cache_).string()});
  }
  more.watch = watch_;
  more.ready_file = ready_file_.empty() ? "" : std::filesystem::absolute(ready_file_);
  more.on_serving = [this](const app::RunningSystem& system) {
    // Whoever reads this may be gone; the system serves all the same.
    (void)print(output_.json() ? app::ready_document(system) + "\n" : addresses_text(system));
  };
  app::hide_tokens();
  const auto exit_code = app::supervise(std::move(more));
  return exit_code ? *exit_code : report(exit_code.error(), manifest.mend());
}

}  // namespace trilby::cli
