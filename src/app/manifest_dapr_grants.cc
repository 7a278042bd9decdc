#include "app/manifest_dapr_grants.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include <fmt/ranges.h>

#include "app/manifest_selection.h"

namespace trilby::app {
namespace {

constexpr std::size_t kMaxListed = 64;

struct Access {
  std::string_view name;
  policy::StateAccess access;
};
constexpr std::array<Access, 3> kAccess = {{
    {"read-only", {.read = true, .write = false}},
    {"read-write", {.read = true, .write = true}},
    {"write-only", {.read = false, .write = true}},
}};

void read_list(Section& section, std::string_view field, std::string_view example, policy::DaprRest kind,
               policy::DaprGrants::Texts& grants) {
  section.texts(field, kMaxListed, example, [&](const std::string& text) {
    if (const std::string_view defect = policy::grant_defect(text, kind); !defect.empty()) {
      section.problem(field, fmt::format("\"{}\" {}, as in \"{}\"", text, defect, example));
    } else {
      grants.insert(text);
    }
  });
}

/// Reads "store/order-*" = "read-only".
void read_state(Section& section, policy::DaprGrants& grants) {
  constexpr std::string_view kExample = R"("store/order-*" = "read-only")";
  for (const DocumentNode& member : section.members()) {
    const std::string* text = section.required_text(member.key, fmt::format("say what it may, as in {}", kExample));
    if (const std::string_view defect = policy::grant_defect(member.key, policy::DaprRest::Key); !defect.empty()) {
      section.problem(member.key, fmt::format("{}, as in {}", defect, kExample));
    }
    if (text == nullptr) {
      continue;
    }
    const auto* const known =
        std::find_if(kAccess.begin(), kAccess.end(), [&](const Access& access) { return access.name == *text; });
    if (known == kAccess.end()) {
      section.problem(member.key, fmt::format("\"{}\" is none of \"read-only\", \"read-write\" and \"write-only\"{}",
                                              *text, suggestion(*text, {"read-only", "read-write", "write-only"})));
    } else {
      grants.state.emplace(member.key, known->access);
    }
  }
}

/// Of a grant to invoke, as "billing/pay".
std::string_view app_of(std::string_view grant) {
  return grant.substr(0, grant.find('/'));
}

/// Whether only a sidecar can give what is granted. No app is served on loops of their own, so from there every app is
/// reached through one.
bool needs_sidecar(const policy::Policy& policy, const std::set<std::string_view>& apps) {
  const policy::DaprGrants& grants = policy.grants.dapr;
  return !grants.only_invokes() || policy::needs_own_loop(policy) ||
         std::any_of(grants.invoke.begin(), grants.invoke.end(),
                     [&](const std::string& grant) { return !apps.contains(app_of(grant)); });
}

/// Of a function that reaches every app through sidecars: those of this manifest that it may invoke have one.
void check_invoked_apps(const Manifest& manifest, const Function& function, Problems& problems) {
  for (const App& app : manifest.apps) {
    const auto& grants = function.policy.grants.dapr.invoke;
    const bool is_invoked =
        std::any_of(grants.begin(), grants.end(), [&](const std::string& grant) { return app_of(grant) == app.id; });
    if (is_invoked && !app.sidecar) {
      problems.add(function.source.line, fmt::format("function.{}.allow.dapr.invoke", function.name),
                   fmt::format("needs a sidecar of app {}: with directories or more than 128 MiB of memory it reaches "
                               "that through sidecars; say where it is, as in [app.{}] sidecar = {{ http = 3500 }}",
                               app.id, app.id));
    }
  }
}

}  // namespace

void read_dapr_grants(Section& section, policy::DaprGrants& grants) {
  read_list(section, "invoke", "billing/orders/*", policy::DaprRest::Path, grants.invoke);
  read_list(section, "publish", "pubsub/orders", policy::DaprRest::Path, grants.publish);
  read_list(section, "bindings", "mail/create", policy::DaprRest::Key, grants.bindings);
  read_list(section, "secrets", "vault/db-password", policy::DaprRest::Secret, grants.secrets);
  read_list(section, "actors", "Counter/increment", policy::DaprRest::Key, grants.actors);
  read_list(section, "configuration", "settings/limit-*", policy::DaprRest::Key, grants.configuration);
  read_list(section, "locks", "locks/order-*", policy::DaprRest::Key, grants.locks);
  read_list(section, "jobs", "remind-*", policy::DaprRest::None, grants.jobs);
  if (auto state = section.table("state", kMaxListed)) {
    read_state(*state, grants);
  }
  section.finish();
}

void check_dapr_grants(const Manifest& manifest, Problems& problems) {
  std::set<std::string_view> apps;
  for (const App& app : manifest.apps) {
    apps.insert(app.id);
  }
  for (const Function& function : manifest.functions) {
    if (function.policy.grants.dapr.empty()) {
      continue;
    }
    const std::string field = fmt::format("function.{}.allow.dapr", function.name);
    if (policy::needs_own_loop(function.policy)) {
      check_invoked_apps(manifest, function, problems);
    }
    for (const App& app : manifest.apps) {
      if (!app.sidecar && needs_sidecar(function.policy, apps) && called_functions(app).contains(function.name)) {
        problems.add(function.source.line, field,
                     fmt::format("needs the sidecar of app {}, which calls it; say where it is, as in [app.{}] sidecar "
                                 "= {{ http = 3500 }}",
                                 app.id, app.id));
      }
    }
  }
}

std::string describe(const policy::DaprGrants& grants) {
  std::string out;
  const auto add = [&out](std::string_view kind, const auto& names) {
    if (names.begin() != names.end()) {
      out += fmt::format("{}{} {}", out.empty() ? "" : "; ", kind, fmt::join(names, ", "));
    }
  };
  add("invoke", grants.invoke);
  add("publish", grants.publish);
  add("bindings", grants.bindings);
  add("Dapr secrets", grants.secrets);
  add("actors", grants.actors);
  add("configuration", grants.configuration);
  add("locks", grants.locks);
  add("jobs", grants.jobs);
  std::vector<std::string> state;
  for (const auto& grant : grants.state) {
    const auto* const known = std::find_if(kAccess.begin(), kAccess.end(), [&grant](const Access& row) {
      return row.access.read == grant.second.read && row.access.write == grant.second.write;
    });
    state.push_back(fmt::format("{} ({})", grant.first, known == kAccess.end() ? "" : known->name));
  }
  add("state", state);
  return out;
}

}  // namespace trilby::app
