#include "app/dapr_environment.h"

#include "app/manifest_addresses.h"
#include "base/environment_variable.h"
#include "base/text.h"

namespace trilby::app {
namespace {

constexpr std::size_t kMostShown = 100;

Result<std::optional<std::uint16_t>> read_port(const char* name) {
  const std::string text = environment_variable(name);
  if (text.empty()) {
    return std::nullopt;
  }
  const auto port = parse_port(text, 1);
  if (!port) {
    return fail(Reason::BadRequest, "{}: \"{}\" is no port from 1 to 65535", name, printable_line(text, kMostShown));
  }
  return port;
}

/// An app channel that speaks HTTP takes HTTP/1.1, and HTTP/2 from who begins with it or, with TLS, chooses it.
Result<std::optional<Protocol>> read_protocol() {
  const std::string protocol = environment_variable("APP_PROTOCOL");
  if (protocol.empty()) {
    return std::nullopt;
  }
  if (protocol == "h2c") {
    return Protocol::Http;
  }
  if (const auto known = protocol_from_name(protocol)) {
    return known;
  }
  return fail(Reason::BadRequest,
              "APP_PROTOCOL: app channels speak http, https, h2c, grpc and grpcs, not \"{}\"\n"
              "try: dapr run --app-protocol h2c",
              printable_line(protocol, kMostShown));
}

}  // namespace

Result<DaprEnvironment> read_dapr_environment() {
  DaprEnvironment told;
  TRILBY_ASSIGN(told.protocol, read_protocol());
  told.app_id = environment_variable("APP_ID");
  TRILBY_ASSIGN(told.app_port, read_port("APP_PORT"));
  return told;
}

Result<std::string> choose_app(std::string_view asked, const DaprEnvironment& told) {
  if (asked.empty() && told.app_id.empty()) {
    return fail(Reason::BadRequest, "which app is to be served? Neither APP nor the variable APP_ID names one");
  }
  if (!asked.empty() && !told.app_id.empty() && asked != told.app_id) {
    return fail(Reason::BadRequest,
                "the app to be served is \"{}\", but its sidecar is that of \"{}\" (APP_ID)\n"
                "try: dapr run --app-id {}",
                asked, printable_line(told.app_id, kMostShown), asked);
  }
  return std::string(asked.empty() ? told.app_id : asked);
}

}  // namespace trilby::app
