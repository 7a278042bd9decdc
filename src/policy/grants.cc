#include "policy/grants.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"

namespace trilby::policy {
namespace {

constexpr std::size_t kMaxWanted = 512;
constexpr std::size_t kMaxMend = 4096;

/// A list of texts as TOML writes it; what a JSON string escapes is valid there too.
std::string toml_list(const std::set<std::string, std::less<>>& granted, std::string_view wanted) {
  std::string out = "[";
  for (const std::string& name : granted) {
    append_json_string(out, name);
    out += ", ";
  }
  append_json_string(out, printable_line(wanted, kMaxWanted));
  return out + "]";
}

std::string dapr_line(std::string_view function, std::string_view field, const DaprGrants::Texts& granted,
                      std::string_view wanted) {
  return printable_line(
      fmt::format("in [function.{}] add allow.dapr.{} = {}", function, field, toml_list(granted, wanted)), kMaxMend);
}

}  // namespace

std::string secret_variable(std::string_view secret) {
  std::string name(secret);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c); });
  return name;
}

std::string mend(const Grants& grants, std::string_view function, Grant kind, std::string_view wanted) {
  switch (kind) {
    case Grant::Model:
      return printable_line(
          fmt::format("in [function.{}] add allow.models = {}", function, toml_list(grants.models, wanted)), kMaxMend);
    case Grant::Directory:
      return fmt::format("in [function.{}] add allow.directories = {{ \"/data\" = \"FOLDER\" }}", function);
    case Grant::Socket:
      return "nothing grants sockets; Trilby is the server, and the function has its input";
    case Grant::DaprInvoke:
      return dapr_line(function, "invoke", grants.dapr.invoke, wanted);
    case Grant::DaprPublish:
      return dapr_line(function, "publish", grants.dapr.publish, wanted);
    case Grant::DaprBinding:
      return dapr_line(function, "bindings", grants.dapr.bindings, wanted);
    case Grant::DaprSecret:
      return dapr_line(function, "secrets", grants.dapr.secrets, wanted);
    case Grant::DaprActor:
      return dapr_line(function, "actors", grants.dapr.actors, wanted);
    case Grant::DaprConfiguration:
      return dapr_line(function, "configuration", grants.dapr.configuration, wanted);
    case Grant::DaprLock:
      return dapr_line(function, "locks", grants.dapr.locks, wanted);
    case Grant::DaprJob:
      return dapr_line(function, "jobs", grants.dapr.jobs, wanted);
    case Grant::DaprActorState:
      return fmt::format("nothing grants it: an actor's own is there when Dapr calls {} as one ([[app.ID.actor]])",
                         function);
    case Grant::DaprState:
      return fmt::format(R"(in [function.{}.allow.dapr.state] add "{}" = "read-write")", function,
                         printable_line(wanted, 2 * kMaxWanted));
  }
  return {};
}

}  // namespace trilby::policy
