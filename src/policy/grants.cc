#include "policy/grants.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"

namespace trilby::policy {
namespace {

constexpr std::size_t kMaxWanted = 256;
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
  }
  return {};
}

}  // namespace trilby::policy
