#include "app/manifest_sidecar.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "base/environment_variable.h"
#include "base/json.h"

namespace trilby::app {
namespace {

constexpr Duration kLeastTimeout = std::chrono::milliseconds(100);
constexpr Duration kMostTimeout = std::chrono::minutes(10);
constexpr Bytes kLeastBody{64U << 10U};
constexpr Bytes kMostBody{64U << 20U};
constexpr std::uint16_t kHttpPort = 80;
constexpr std::size_t kMaxNameBytes = 256;

constexpr const char* kAppId = "APP_ID";
constexpr const char* kHttpPortVariable = "DAPR_HTTP_PORT";
constexpr const char* kHttpEndpointVariable = "DAPR_HTTP_ENDPOINT";

/// "http://127.0.0.1:3500/" -> 3500
std::optional<std::uint16_t> parse_endpoint(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  if (!text.starts_with(kScheme)) {
    return std::nullopt;
  }
  text.remove_prefix(kScheme.size());
  if (text.ends_with('/')) {
    text.remove_suffix(1);
  }
  const std::size_t colon = std::min(text.find(':'), text.size());
  const std::string_view host = text.substr(0, colon);
  if (host != "127.0.0.1" && host != "localhost") {
    return std::nullopt;
  }
  return colon == text.size() ? std::optional(kHttpPort) : parse_port(text.substr(colon + 1), 1);
}

std::string told_of(const TopicTrigger& topic) {
  std::string out;
  JsonWriter json(out);
  json.open_array().value(topic.pubsub).value(topic.topic).value(topic.match).value(topic.path);
  json.value(topic.dead_letter).value(topic.bulk.has_value());
  if (topic.bulk) {
    json.value(topic.bulk->max_messages).value(topic.bulk->max_wait.count());
  }
  for (const auto& [name, value] : topic.metadata) {
    json.value(name).value(value);
  }
  json.close_array();
  return out;
}

std::string told_of(const BindingTrigger& binding) {
  std::string out;
  JsonWriter(out).open_array().value(binding.name).value(binding.path).close_array();
  return out;
}

std::string told_of(const ActorTrigger& actor) {
  std::string out;
  JsonWriter json(out);
  json.open_array().value(actor.type).value(actor.idle_timeout.value_or(Duration{}).count());
  json.value(actor.drain_timeout.value_or(Duration{}).count()).value(actor.reentrancy.value_or(0)).close_array();
  return out;
}

template <typename Triggers>
std::set<std::string> told_of_all(const Triggers& triggers) {
  std::set<std::string> out;
  std::transform(triggers.begin(), triggers.end(), std::inserter(out, out.end()),
                 [](const auto& one) { return told_of(one); });
  return out;
}

}  // namespace

std::string told_at_start(const App& app) {
  // Of one topic the first trigger that matches takes an event, so these stay in their order.
  std::map<std::pair<std::string_view, std::string_view>, std::string> topics;
  for (const TopicTrigger& topic : app.topics) {
    topics[{topic.pubsub, topic.topic}] += told_of(topic) + '\n';
  }
  std::string out = "topics\n";
  for (const auto& [topic, triggers] : topics) {
    out += triggers;
  }
  out += "bindings\n";
  for (const std::string& binding : told_of_all(app.bindings)) {
    out += binding + '\n';
  }
  out += "actors\n";
  for (const std::string& actor : told_of_all(app.actors)) {
    out += actor + '\n';
  }
  return out;
}

void read_sidecar(Section& section, App& app) {
  auto table = section.table("sidecar");
  if (!table) {
    return;
  }
  Sidecar sidecar;
  sidecar.source.line = table->line();
  sidecar.http = static_cast<std::uint16_t>(table->integer("http", 0, 65535).value_or(sidecar.http));
  sidecar.timeout = table->duration("timeout", kLeastTimeout, kMostTimeout).value_or(sidecar.timeout);
  sidecar.max_body = table->size("max_body", kLeastBody, kMostBody).value_or(sidecar.max_body);
  if (const std::string* store = table->text("retry_store")) {
    sidecar.retry_store = *store;
    if (store->empty() || store->size() > kMaxNameBytes) {
      table->problem("retry_store", fmt::format("is the name of a state store, of 1 to {} bytes", kMaxNameBytes));
    }
  }
  table->finish();
  app.sidecar = sidecar;
}

std::vector<AddressClash> sidecar_clashes(const Manifest& manifest) {
  std::vector<AddressClash> clashes;
  const auto taken_by = [&](const App& own, std::uint16_t port) -> std::string {
    if (port == manifest.admin.port) {
      return "is Trilby's own: admin.listen";
    }
    for (const App& app : manifest.apps) {
      if (port == app.port || (app.public_address && port == app.public_address->port)) {
        return fmt::format("is Trilby's own: app.{}.{}", app.id, port == app.port ? "port" : "public");
      }
      if (&app == &own) {
        break;  // of two sidecars the later one is told
      }
      if (app.sidecar && app.sidecar->http == port) {
        return fmt::format("is the sidecar of {}; each app has a sidecar of its own, which has its app-id", app.id);
      }
    }
    return {};
  };
  for (const App& app : manifest.apps) {
    if (!app.sidecar || app.sidecar->http == 0) {
      continue;
    }
    if (const std::string why = taken_by(app, app.sidecar->http); !why.empty()) {
      clashes.push_back({app.sidecar->source.line, fmt::format("app.{}.sidecar.http", app.id),
                         fmt::format("port {} {}", app.sidecar->http, why)});
    }
  }
  return clashes;
}

SidecarEnvironment SidecarEnvironment::of_process() {
  return {environment_variable(kAppId), environment_variable(kHttpPortVariable),
          environment_variable(kHttpEndpointVariable)};
}

Result<void> apply(Manifest& manifest, const SidecarEnvironment& environment) {
  const auto at = std::find_if(manifest.apps.begin(), manifest.apps.end(), [&](const App& app) {
    return environment.app_id.empty() ? manifest.apps.size() == 1 : app.id == environment.app_id;
  });
  if (at == manifest.apps.end() || !at->sidecar) {
    return {};
  }
  std::optional<std::uint16_t> port;
  if (!environment.http_endpoint.empty()) {
    port = parse_endpoint(environment.http_endpoint);
    if (!port) {
      return fail(Reason::BadRequest,
                  "{}: \"{}\" is no sidecar of this machine; it is reached over http at 127.0.0.1, as in "
                  "http://127.0.0.1:3500",
                  kHttpEndpointVariable, environment.http_endpoint);
    }
  } else if (!environment.http_port.empty()) {
    port = parse_port(environment.http_port, 1);
    if (!port) {
      return fail(Reason::BadRequest, "{}: \"{}\" is no port from 1 to 65535", kHttpPortVariable,
                  environment.http_port);
    }
  }
  if (port) {
    at->sidecar->http = *port;
    manifest.origins[fmt::format("app.{}.sidecar.http", at->id)] = {Origin::Environment, {}};
  }
  return {};
}

}  // namespace trilby::app
