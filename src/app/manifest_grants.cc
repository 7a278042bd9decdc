#include "app/manifest_grants.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>

#include "app/manifest_dapr_grants.h"
#include "base/text.h"
#include "policy/environment.h"

namespace trilby::app {
namespace {

constexpr std::size_t kMaxListed = 64;
constexpr std::size_t kMaxDirectories = 16;
constexpr std::size_t kMaxMountBytes = 255;
// What the host holds so that guests need not: Dapr's tokens.
constexpr std::array<std::string_view, 2> kHostsOwn = {"APP_API_TOKEN", "DAPR_API_TOKEN"};
// RFC 3875 section 4.1, beside HTTP_*.
constexpr std::array<std::string_view, 17> kCgiVariables = {
    "AUTH_TYPE",    "CONTENT_LENGTH", "CONTENT_TYPE", "GATEWAY_INTERFACE", "PATH_INFO",      "PATH_TRANSLATED",
    "QUERY_STRING", "REMOTE_ADDR",    "REMOTE_HOST",  "REMOTE_IDENT",      "REMOTE_USER",    "REQUEST_METHOD",
    "SCRIPT_NAME",  "SERVER_NAME",    "SERVER_PORT",  "SERVER_PROTOCOL",   "SERVER_SOFTWARE"};

template <std::size_t count>
bool is_among(const std::array<std::string_view, count>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string variable_rule() {
  return fmt::format("a variable's name has 1 to {} letters, digits and '_', and begins with no digit",
                     policy::kMaxVariableName);
}

/// What keeps `mount` from being a guest's path; empty when nothing does.
std::string_view mount_defect(std::string_view mount) {
  if (!mount.starts_with('/') || mount.size() > kMaxMountBytes) {
    return "must begin with '/' and have at most 255 bytes";
  }
  if (has_control_characters(mount)) {
    return "must not contain control characters";
  }
  const std::string segments = std::string(mount) + '/';
  if (mount.size() > 1 && (segments.find("//") != std::string::npos || segments.find("/./") != std::string::npos ||
                           segments.find("/../") != std::string::npos)) {
    return "must not end in '/' or contain '//', '.' or '..'";
  }
  return {};
}

/// Reads "/data" = "folder", or "/data" = { path = "folder", access = "read-write" }.
void read_directory(Section& section, const DocumentNode& member, const std::filesystem::path& folder,
                    std::vector<policy::Directory>& directories) {
  policy::Directory directory;
  directory.mount = member.key;
  const std::string* path = nullptr;
  if (member.kind == DocumentNode::Kind::Table) {
    std::optional<Section> table = section.table(member.key);
    path = table->required_text("path", R"(give the folder, as in path = "data")");
    if (const auto* access = table->text("access")) {
      directory.write = *access == "read-write";
      if (!directory.write && *access != "read-only") {
        table->problem("access", fmt::format("\"{}\" is none of \"read-only\" and \"read-write\"{}", *access,
                                             suggestion(*access, {"read-only", "read-write"})));
      }
    }
    table->finish();
  } else {
    path = section.required_text(member.key, R"(give the folder, as in "/data" = "data")");
  }
  if (const std::string_view defect = mount_defect(directory.mount); !defect.empty()) {
    section.problem(member.key, fmt::format("where the function finds the folder {}", defect));
  }
  if (path != nullptr) {
    directory.path = (folder / *path).lexically_normal().string();
    directories.push_back(std::move(directory));
  }
}

void read_directories(Section& section, const std::filesystem::path& folder,
                      std::vector<policy::Directory>& directories) {
  if (section.members().size() > kMaxDirectories) {
    return section.problem(
        fmt::format("has {} directories; the most is {}", section.members().size(), kMaxDirectories));
  }
  for (const DocumentNode& member : section.members()) {
    read_directory(section, member, folder, directories);
  }
}

}  // namespace

void read_variables(Section& section, Function& function) {
  if (section.members().size() > policy::kMaxVariables) {
    return section.problem(
        fmt::format("has {} variables; the most is {}", section.members().size(), policy::kMaxVariables));
  }
  for (const DocumentNode& member : section.members()) {
    const std::string* value = section.text(member.key);
    if (!policy::is_variable_name(member.key)) {
      section.problem(member.key, variable_rule());
    } else if (value != nullptr && value->size() > kMaxValueBytes) {
      section.problem(member.key, fmt::format("has {} bytes; the most is {}", value->size(), kMaxValueBytes));
    } else if (value != nullptr) {
      function.variables.emplace(member.key, *value);
    }
  }
}

void read_grants(Section& section, const DefinedNames& names, const std::filesystem::path& folder, Function& function) {
  policy::Grants& grants = function.policy.grants;
  section.texts("models", kMaxListed, "food", [&](const std::string& model) {
    check_defined(section, "models", "model", model, names.models);
    grants.models.insert(model);
  });
  section.texts("env", kMaxListed, "LANG", [&](const std::string& variable) {
    if (!policy::is_variable_name(variable)) {
      section.problem("env", fmt::format("\"{}\": {}", variable, variable_rule()));
    } else if (is_among(kHostsOwn, variable)) {
      section.problem("env", fmt::format("{} is the host's own and no guest is given it", variable));
    } else {
      grants.variables.insert(variable);
    }
  });
  section.texts("secrets", kMaxListed, "db-password", [&](const std::string& secret) {
    check_defined(section, "secrets", "secret", secret, names.secrets);
    if (!policy::is_variable_name(policy::secret_variable(secret))) {
      section.problem("secrets", fmt::format("\"{}\" cannot be a variable's name; let it begin with a letter", secret));
    }
    grants.secrets.insert(secret);
  });
  if (auto dapr = section.table("dapr")) {
    read_dapr_grants(*dapr, grants.dapr);
  }
  if (auto directories = section.table("directories")) {
    read_directories(*directories, folder, grants.directories);
  }
  if (const auto* clock = section.text("clock")) {
    grants.precise_clock = *clock == "precise";
    if (!grants.precise_clock && *clock != "coarse") {
      section.problem("clock", fmt::format("\"{}\" is none of \"coarse\" and \"precise\"{}", *clock,
                                           suggestion(*clock, {"coarse", "precise"})));
    } else if (grants.precise_clock && grants.reproducible) {
      section.problem("clock", "with reproducible = true there is no precise clock: take one of them out");
    }
  }
  section.finish();
}

std::vector<policy::Directory> granted_directories(const Manifest& manifest) {
  std::vector<policy::Directory> all;
  for (const Function& function : manifest.functions) {
    for (const policy::Directory& directory : function.policy.grants.directories) {
      const auto known = std::find_if(all.begin(), all.end(),
                                      [&](const policy::Directory& other) { return other.path == directory.path; });
      if (known == all.end()) {
        all.push_back(directory);
      } else {
        known->write = known->write || directory.write;
      }
    }
  }
  return all;
}

void check_variables(const Section& section, const Function& function) {
  std::map<std::string, std::string, std::less<>> given;  // by what
  const auto give = [&](const std::string& variable, const std::string& field) {
    const auto [at, fresh] = given.emplace(variable, field);
    if (!fresh) {
      section.problem(fmt::format("the variable {} is given by {} and by {}", variable, at->second, field));
    }
    if (function.cgi && (is_among(kCgiVariables, variable) || variable.starts_with("HTTP_"))) {
      section.problem(fmt::format("the variable {} of {} is CGI's, which output = \"cgi\" gives", variable, field));
    }
  };
  for (const auto& [variable, value] : function.variables) {
    give(variable, "env");
  }
  for (const std::string& variable : function.policy.grants.variables) {
    give(variable, "allow.env");
  }
  for (const std::string& secret : function.policy.grants.secrets) {
    give(policy::secret_variable(secret), "allow.secrets");
  }
  if (given.size() > policy::kMaxVariables) {
    section.problem(fmt::format("is given {} variables; the most is {}", given.size(), policy::kMaxVariables));
  }
}

}  // namespace trilby::app
