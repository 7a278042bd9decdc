#include "app/manifest_settings.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <utility>

#include <fmt/ranges.h>

#include "app/manifest_addresses.h"
#include "app/manifest_dapr_grants.h"
#include "app/manifest_observe.h"
#include "app/manifest_outputs.h"
#include "app/manifest_section.h"
#include "app/manifest_sidecar.h"
#include "app/manifest_triggers.h"

namespace trilby::app {
namespace {

/// Gathers settings, each with its origin.
class Listing {
 public:
  explicit Listing(const Manifest& manifest) : manifest_(manifest) {}

  void add(const std::string& name, std::string value) { add(name, std::move(value), name); }
  /// \param stated_by  the field of which the value's origin is
  void add(std::string name, std::string value, const std::string& stated_by) {
    const auto stated = manifest_.origins.find(stated_by);
    out_.push_back({std::move(name), std::move(value), stated == manifest_.origins.end() ? Stated{} : stated->second});
  }
  void add_server(const Server& server) {
    add("server.head_timeout", format(server.limits.head_timeout));
    add("server.body_idle", format(server.limits.body_idle));
    add("server.body_rate", format(server.limits.body_rate));
    add("server.keep_alive", format(server.limits.keep_alive));
    add("server.h2c_upgrade", server.limits.h2c_upgrade ? "true" : "false");
    add("server.request_bodies", format(server.request_bodies));
    add("server.response_bodies", format(server.response_bodies));
  }
  void add_observe(const Observe& observe) {
    const auto endpoint = [](const std::optional<OtlpEndpoint>& one) {
      return one ? format(*one) : std::string("none");
    };
    add("observe.traces", endpoint(observe.traces));
    add("observe.metrics", endpoint(observe.metrics));
    if (observe.traces) {
      add("observe.sampler", observe.sampler_text);
      add("observe.schedule_delay", format(observe.schedule_delay));
      add("observe.traces_timeout", format(observe.traces_timeout));
    }
    if (observe.metrics) {
      add("observe.metric_interval", format(observe.metric_interval));
      add("observe.metrics_timeout", format(observe.metrics_timeout));
    }
  }
  void add_app(const App& app) {
    const std::string prefix = fmt::format("app.{}.", app.id);
    add(prefix + "port", std::to_string(app.port));
    if (app.public_address) {
      add(prefix + "public", format(*app.public_address));
    }
    add(prefix + "protocol", std::string(kProtocols[static_cast<std::size_t>(app.protocol)]));
    if (app.tls) {
      add(prefix + "tls.certificate", app.tls->certificate.string());
      add(prefix + "tls.key", app.tls->key.string());
    }
    add(prefix + "health", app.health);
    if (app.sidecar) {
      add(prefix + "sidecar.http", std::to_string(app.sidecar->http));
      add(prefix + "sidecar.timeout", format(app.sidecar->timeout));
      add(prefix + "sidecar.max_body", format(app.sidecar->max_body));
      add(prefix + "sidecar.retry_store", app.sidecar->retry_store);
    }
    add(prefix + "limits.concurrency", std::to_string(app.limits.concurrency));
    add(prefix + "limits.queue", std::to_string(app.limits.queue));
    add(prefix + "limits.queue_wait", format(app.limits.queue_wait));
    for (std::size_t i = 0; i < app.routes.size(); ++i) {
      const Route& route = app.routes[i];
      out_.push_back(
          {fmt::format("{}route[{}]", prefix, i + 1),
           fmt::format("{} -> {}{}", describe_request(route), describe_target(route), describe(route.outputs)),
           {Origin::Manifest, route.source}});
    }
    add_triggers(prefix + "topic", app.topics);
    add_triggers(prefix + "binding", app.bindings);
    add_triggers(prefix + "job", app.jobs);
    add_triggers(prefix + "configuration", app.configurations);
    add_triggers(prefix + "actor", app.actors);
  }
  template <typename Triggers>
  void add_triggers(const std::string& list, const Triggers& triggers) {
    for (std::size_t i = 0; i < triggers.size(); ++i) {
      out_.push_back({fmt::format("{}[{}]", list, i + 1),
                      fmt::format("{} at {} -> function {}{}", describe(triggers[i]), triggers[i].path,
                                  triggers[i].function, describe(triggers[i].outputs)),
                      {Origin::Manifest, triggers[i].source}});
    }
  }
  void add_function(const Function& function) {
    const std::string prefix = fmt::format("function.{}.", function.name);
    const policy::Limits& limits = function.policy.limits;
    add(prefix + "module", function.module.string());
    add(prefix + "output", function.cgi ? "cgi" : "body");
    if (!function.cgi) {
      add(prefix + "content_type", function.content_type);
    }
    add(prefix + "limits.memory", format(limits.memory));
    add(prefix + "limits.table_elements", std::to_string(limits.table_elements));
    add(prefix + "limits.stack", format(limits.stack));
    add(prefix + "limits.cpu", format(limits.cpu));
    add(prefix + "limits.wall", format(limits.wall));
    add(prefix + "limits.request_body", format(limits.request_body));
    add(prefix + "limits.response_body", format(limits.response_body));
    add(prefix + "limits.stderr", format(limits.stderr_output));
    add(prefix + "limits.log_lines_per_second", std::to_string(limits.log_lines_per_second));
    add(prefix + "limits.log_line_length", format(limits.log_line_length));
    add(prefix + "limits.handles", std::to_string(limits.handles));
    add(prefix + "limits.host_calls_per_second", std::to_string(limits.host_calls_per_second));
    add(prefix + "limits.concurrency", std::to_string(limits.concurrency));
    add(prefix + "limits.queue", std::to_string(limits.queue));
    add(prefix + "limits.queue_wait", format(limits.queue_wait));
    add(prefix + "reproducible", function.policy.grants.reproducible ? "true" : "false");
    for (const auto& [variable, value] : function.variables) {
      add(fmt::format("{}env.{}", prefix, variable), value);
    }
    const policy::Grants& grants = function.policy.grants;
    add(prefix + "allow.models", fmt::format("{}", fmt::join(grants.models, ", ")));
    add(prefix + "allow.env", fmt::format("{}", fmt::join(grants.variables, ", ")));
    add(prefix + "allow.secrets", fmt::format("{}", fmt::join(grants.secrets, ", ")));
    for (const policy::Directory& directory : grants.directories) {
      const std::string field = fmt::format("{}allow.directories.{}", prefix, directory.mount);
      const bool is_table = manifest_.origins.contains(field + ".path");
      add(field, fmt::format("{} ({})", directory.path, directory.write ? "read-write" : "read-only"),
          is_table ? field + ".path" : field);
    }
    add(prefix + "allow.clock", grants.precise_clock ? "precise" : "coarse");
  }
  std::vector<Setting> take() { return std::move(out_); }

 private:
  const Manifest& manifest_;
  std::vector<Setting> out_;
};

/// What may stand behind an app-id, which has no dots, and the field that is meant then.
constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kPortSuffixes = {
    {{".public", "public"}, {".sidecar", "sidecar.http"}}};

/// The port that `field` names; nullptr when there is none such. An app whose sidecar is named has one.
std::uint16_t* find_port(Manifest& manifest, std::string_view field) {
  if (field == "admin.listen") {
    return &manifest.admin.port;
  }
  for (App& app : manifest.apps) {
    if (field == fmt::format("app.{}.port", app.id)) {
      return &app.port;
    }
    if (app.public_address && field == fmt::format("app.{}.public", app.id)) {
      return &app.public_address->port;
    }
    if (field == fmt::format("app.{}.sidecar.http", app.id)) {
      app.sidecar = app.sidecar.value_or(Sidecar{});
      return &app.sidecar->http;
    }
  }
  return nullptr;
}

}  // namespace

Result<PortOverride> parse_port_override(std::string_view text, Origin origin, std::string_view source) {
  const std::size_t equals = std::min(text.find('='), text.size());
  const auto port = equals < text.size() ? parse_port(text.substr(equals + 1), 0) : std::nullopt;
  std::string_view app = text.substr(0, equals);
  std::string_view which = "port";
  for (const auto& [suffix, field] : kPortSuffixes) {
    if (app.ends_with(suffix)) {
      app.remove_suffix(suffix.size());
      which = field;
      break;
    }
  }
  if (!port || app.empty()) {
    return fail(Reason::BadRequest, "{}: \"{}\" is not APP=N with N from 0 (any free port) to 65535, as in web=8080",
                source, text);
  }
  return PortOverride{fmt::format("app.{}.{}", app, which), *port, origin, fmt::format("{} {}", source, text)};
}

Result<PortOverride> parse_admin_port(std::string_view text, Origin origin, std::string_view source) {
  const auto port = parse_port(text, 0);
  if (!port) {
    return fail(Reason::BadRequest, "{}: \"{}\" is no port from 0 (any free one) to 65535", source, text);
  }
  return PortOverride{"admin.listen", *port, origin, fmt::format("{} {}", source, text)};
}

Result<void> apply(Manifest& manifest, const std::vector<PortOverride>& overrides) {
  for (const PortOverride& change : overrides) {
    std::uint16_t* port = find_port(manifest, change.field);
    if (port == nullptr) {
      std::vector<std::string_view> apps;
      std::transform(manifest.apps.begin(), manifest.apps.end(), std::back_inserter(apps),
                     [](const App& app) { return std::string_view(app.id); });
      const std::string_view app = std::string_view(change.field).substr(4, change.field.find('.', 4) - 4);
      const bool known = std::find(apps.begin(), apps.end(), app) != apps.end();
      return fail(
          Reason::BadRequest, "{}: {}", change.written,
          known ? fmt::format("app \"{}\" has no public address in {}", app, manifest.path.string())
                : fmt::format("there is no app \"{}\" in {}{}", app, manifest.path.string(), suggestion(app, apps)));
    }
    *port = change.port;
    manifest.origins[change.field] = {change.origin, {}};
  }
  return {};
}

Result<void> check_addresses(const Manifest& manifest) {
  for (const auto& clashes : {address_clashes(manifest), sidecar_clashes(manifest)}) {
    if (!clashes.empty()) {
      return fail(Reason::Manifest, "{}: {}", clashes.front().field, clashes.front().message);
    }
  }
  return {};
}

WorkerSettings::Scheduling scheduling_in_force(const Manifest& manifest) {
  using Scheduling = WorkerSettings::Scheduling;
  if (manifest.worker.scheduling != Scheduling::Auto) {
    return manifest.worker.scheduling;
  }
  const bool has_sidecar = std::any_of(manifest.apps.begin(), manifest.apps.end(), [](const App& app) {
    return app.sidecar || !app.topics.empty() || !app.bindings.empty() || !app.jobs.empty() ||
           !app.configurations.empty() || !app.actors.empty();
  });
  const bool computes_beside =
      !manifest.models.empty() ||
      std::any_of(manifest.functions.begin(), manifest.functions.end(),
                  [](const Function& function) { return policy::needs_own_loop(function.policy); });
  return has_sidecar && !computes_beside ? Scheduling::Batch : Scheduling::Normal;
}

std::vector<Setting> settings_in_force(const Manifest& manifest) {
  Listing listing(manifest);
  listing.add("admin.listen", format(manifest.admin));
  listing.add("worker.lockdown", std::string(name(manifest.worker.lockdown)));
  listing.add("worker.scheduling", std::string(name(scheduling_in_force(manifest))));
  listing.add_server(manifest.server);
  listing.add("access_log.lines", std::string(kAccessLogLines[static_cast<std::size_t>(manifest.access_log.lines)]));
  listing.add("access_log.full_rate", std::to_string(manifest.access_log.full_rate));
  listing.add("access_log.one_in", std::to_string(manifest.access_log.one_in));
  listing.add_observe(manifest.observe);
  for (const App& app : manifest.apps) {
    listing.add_app(app);
  }
  for (const Function& function : manifest.functions) {
    listing.add_function(function);
  }
  for (const Model& model : manifest.models) {
    listing.add(fmt::format("model.{}.path", model.name), model.path.string());
    listing.add(fmt::format("model.{}.threads", model.name), std::to_string(model.threads));
  }
  for (const Secret& secret : manifest.secrets) {
    const bool is_file = secret.variable.empty();
    listing.add(fmt::format("secret.{}.{}", secret.name, is_file ? "file" : "env"),
                is_file ? secret.file.string() : secret.variable);
  }
  return listing.take();
}

std::string_view name(Origin origin) {
  switch (origin) {
    case Origin::Default:
      return "default";
    case Origin::Manifest:
      return "manifest";
    case Origin::Environment:
      return "environment";
    case Origin::Flag:
      return "flag";
  }
  return "";
}

std::string describe_grants(const Function& function) {
  std::string out;
  const auto add = [&](std::string_view kind, const auto& names) {
    if (names.begin() != names.end()) {
      out += fmt::format("{}{} {}", out.empty() ? "" : "; ", kind, fmt::join(names, ", "));
    }
  };
  add("models", function.policy.grants.models);
  add("env", function.policy.grants.variables);
  add("secrets", function.policy.grants.secrets);
  std::vector<std::string> directories;
  for (const policy::Directory& directory : function.policy.grants.directories) {
    directories.push_back(fmt::format("{} ({})", directory.mount, directory.write ? "read-write" : "read-only"));
  }
  add("directories", directories);
  if (const std::string dapr = describe(function.policy.grants.dapr); !dapr.empty()) {
    out += fmt::format("{}{}", out.empty() ? "" : "; ", dapr);
  }
  if (function.policy.grants.precise_clock) {
    out += fmt::format("{}precise clock", out.empty() ? "" : "; ");
  }
  return out.empty() ? "nothing" : out;
}

std::string describe_request(const Route& route) {
  std::string out = fmt::format("{} {}", route.method.empty() ? "any" : route.method, route.path);
  for (std::size_t i = 0; i < route.headers.size(); ++i) {
    out += fmt::format("{}{}: {}", i == 0 ? " (" : ", ", route.headers[i].first, route.headers[i].second);
  }
  return out + (route.headers.empty() ? "" : ")");
}

std::string describe_target(const Route& route) {
  struct Words {
    std::string operator()(const FilesTarget& files) const { return "files " + files.root.string(); }
    std::string operator()(const FunctionTarget& function) const { return "function " + function.function; }
    std::string operator()(const InvokeTarget& invoke) const {
      return fmt::format("invoke {}{}", invoke.app, invoke.path);
    }
    std::string operator()(const TextTarget&) const { return "text"; }
  };
  return std::visit(Words{}, route.target);
}

}  // namespace trilby::app
