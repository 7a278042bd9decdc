#include "cli/options.h"

#include <algorithm>
#include <iterator>
#include <system_error>

#include "app/manifest_observe.h"
#include "app/manifest_selection.h"
#include "app/manifest_settings.h"
#include "app/manifest_sidecar.h"
#include "base/environment_variable.h"

namespace trilby::cli {
namespace {

constexpr const char* kPortsVariable = "TRILBY_PORTS";
constexpr const char* kAdminPortVariable = "TRILBY_ADMIN_PORT";

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

}  // namespace

Option ManifestOptions::manifest_option() {
  return {"-m,--manifest", "FILE", "the manifest of the system", &path, "TRILBY_MANIFEST", {}};
}

std::vector<Option> ManifestOptions::port_options() {
  return {
      {"--port",
       "APP=N",
       "listen for this app on port N instead of the manifest's, 0 for any free one; APP.public=N for its public "
       "address, APP.sidecar=N for its sidecar; may be repeated [TRILBY_PORTS: APP=N,...]",
       &ports_,
       {},
       {}},
      {"--admin-port", "N", "the same for the admin listener [TRILBY_ADMIN_PORT]", &admin_port_, {}, {}},
  };
}

void ManifestOptions::serve_only(std::string app, std::optional<std::uint16_t> port,
                                 std::optional<app::Protocol> protocol) {
  only_app_ = std::move(app);
  told_port_ = port;
  told_protocol_ = protocol;
}

Result<ManifestOptions::Loaded> ManifestOptions::load() const {
  TRILBY_ASSIGN(std::string text, app::read_manifest(path));
  TRILBY_ASSIGN(app::Manifest manifest, app::parse_manifest(text, path));
  std::vector<app::PortOverride> overrides;
  if (!only_app_.empty()) {
    overrides.push_back({"admin.listen", 0, app::Origin::Environment, {}});
  }
  if (told_port_) {
    overrides.push_back({fmt::format("app.{}.port", only_app_), *told_port_, app::Origin::Environment,
                         fmt::format("APP_PORT {}", *told_port_)});
  }
  const auto add = [&](Result<app::PortOverride> change) -> Result<void> {
    TRILBY_ASSIGN(app::PortOverride parsed, std::move(change));
    overrides.push_back(std::move(parsed));
    return {};
  };
  for (const std::string& one : split(environment_variable(kPortsVariable))) {
    TRILBY_CHECK(add(app::parse_port_override(one, app::Origin::Environment, kPortsVariable)));
  }
  if (const std::string port = environment_variable(kAdminPortVariable); !port.empty()) {
    TRILBY_CHECK(add(app::parse_admin_port(port, app::Origin::Environment, kAdminPortVariable)));
  }
  for (const std::string& one : ports_) {
    TRILBY_CHECK(add(app::parse_port_override(one, app::Origin::Flag, "--port")));
  }
  if (!admin_port_.empty()) {
    TRILBY_CHECK(add(app::parse_admin_port(admin_port_, app::Origin::Flag, "--admin-port")));
  }
  TRILBY_CHECK(app::apply(manifest, overrides));
  if (!only_app_.empty()) {
    TRILBY_CHECK(app::keep_only(manifest, only_app_));
  }
  if (told_protocol_) {
    TRILBY_CHECK(app::set_protocol(manifest, *told_protocol_));
  }
  TRILBY_CHECK(app::apply(manifest, app::SidecarEnvironment::of_process()));
  TRILBY_CHECK(app::apply_telemetry(manifest, environment_variable));
  TRILBY_CHECK(app::check_addresses(manifest));
  return Loaded{std::move(text), std::move(manifest)};
}

std::string ManifestOptions::mend() const {
  std::error_code error;
  return std::filesystem::exists(path, error) ? ""
                                              : "trilby init DIR makes a first system; -m FILE names another manifest";
}

Option OutputOption::option() {
  return {"-o,--output", "FORMAT", "how to print", &format_, {}, {"text", "json"}};
}

Option cache_option(std::string& target) {
  return {"--aot-cache",      "DIR", "where compiled modules are kept, instead of the user's cache folder", &target,
          "TRILBY_AOT_CACHE", {}};
}

void append(std::vector<Option>& options, std::vector<Option> more) {
  options.insert(options.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

}  // namespace trilby::cli
