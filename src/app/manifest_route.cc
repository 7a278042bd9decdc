#include "app/manifest_route.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include <fmt/ranges.h>

#include "app/manifest_outputs.h"
#include "base/text.h"

namespace trilby::app {
namespace {

constexpr std::size_t kMaxRoutes = 200;
constexpr std::size_t kMaxHeaders = 16;
constexpr std::size_t kMaxForeignIdBytes = 63;  // a DNS label: what others call their apps and namespaces

bool is_token(std::string_view text) {  // RFC 9110 section 5.6.2
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool is_field_value(std::string_view text) {  // RFC 9110 section 5.5, without obsolete bytes
  const auto visible = [](char c) { return (c >= ' ' && c <= '~') || c == '\t'; };
  return !text.empty() && text.front() > ' ' && text.back() > ' ' && std::all_of(text.begin(), text.end(), visible);
}

/// Fields that never reach a route, because they belong to one connection or to Trilby.
bool never_passed_on(std::string_view lower_name) {
  constexpr std::array<std::string_view, 9> kHopByHop = {
      "connection", "expect",  "keep-alive",        "proxy-connection",   "te",
      "trailer",    "upgrade", "transfer-encoding", "proxy-authorization"};
  return lower_name.starts_with("trilby-") ||
         std::find(kHopByHop.begin(), kHopByHop.end(), lower_name) != kHopByHop.end();
}

void read_path(Section& section, Route& route) {
  const std::string* path = section.required_text("path", R"(give what it answers, as in path = "/api/*")");
  if (path == nullptr) {
    return;
  }
  route.path = *path;
  const std::size_t star = path->find('*');
  if (const std::string_view defect = path_defect(*path); !defect.empty()) {
    section.problem("path", fmt::format("\"{}\" {}", *path, defect));
  } else if (star != std::string::npos && (star + 1 != path->size() || (*path)[star - 1] != '/')) {
    section.problem("path",
                    fmt::format("\"{}\" has a '*' that is not at the end after a '/', as in \"/static/*\"", *path));
  }
}

void read_method(Section& section, Route& route) {
  static const std::vector<std::string_view> kMethods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
  const std::string* method = section.text("method");
  if (method == nullptr) {
    return;
  }
  route.method = *method;
  if (std::find(kMethods.begin(), kMethods.end(), *method) == kMethods.end()) {
    section.problem("method", fmt::format("\"{}\" is no method{}", *method, suggestion(*method, kMethods)));
  }
}

void read_headers(Section& section, Route& route) {
  auto headers = section.table("header", kMaxHeaders);
  if (!headers) {
    return;
  }
  for (const DocumentNode& member : headers->members()) {
    const std::string* value = headers->text(member.key);
    if (value == nullptr) {
      continue;
    }
    const std::string name = ascii_lower(member.key);
    const auto same = [&](const auto& other) { return other.first == name; };
    if (!is_token(member.key)) {
      headers->problem(member.key, "is no name of a header");
    } else if (never_passed_on(name)) {
      headers->problem(member.key, "never reaches a route, so this one would never match");
    } else if (!is_field_value(*value)) {
      headers->problem(member.key, "must be visible ASCII without spaces at its ends");
    } else if (std::any_of(route.headers.begin(), route.headers.end(), same)) {
      headers->problem(member.key, "is asked for twice; names of headers do not differ by case");
    } else {
      route.headers.emplace_back(name, *value);
    }
  }
}

void read_cors(Section& section, Route& route) {
  const std::string* cors = section.text("cors");
  if (cors == nullptr) {
    return;
  }
  route.cors = *cors;
  const std::size_t scheme = cors->starts_with("http://") ? 7 : cors->starts_with("https://") ? 8 : 0;
  const bool origin = scheme != 0 && cors->size() > scheme && is_field_value(*cors) &&
                      cors->find_first_of("/ \t*?#,", scheme) == std::string::npos && *cors == ascii_lower(*cors);
  if (*cors != "*" && !origin) {
    section.problem(
        "cors", fmt::format("\"{}\" is no origin; write \"*\" for any, or one as in \"https://example.com\"", *cors));
  }
}

/// What Dapr may find that the manifest does not have: an app-id, or one with its namespace.
bool is_app_elsewhere(std::string_view id) {
  const std::size_t point = std::min(id.find('.'), id.size());
  const auto is_name = [](std::string_view name) {
    return !name.empty() && name.size() <= kMaxForeignIdBytes && std::all_of(name.begin(), name.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    });
  };
  return is_name(id.substr(0, point)) && (point == id.size() || is_name(id.substr(point + 1)));
}

void read_target(Section& section, Route& route, const DefinedNames& names, const std::filesystem::path& folder,
                 const App& app) {
  std::vector<std::string_view> given;
  const auto read = [&](std::string_view field, bool may_be_empty, auto make) {
    if (const std::string* value = section.text(field)) {
      if (value->empty() && !may_be_empty) {
        section.problem(field, "is empty");
      } else {
        route.target = make(*value);
      }
    }
    if (section.has(field)) {
      given.push_back(field);
    }
  };
  read("files", false, [&](const std::string& root) { return FilesTarget{(folder / root).lexically_normal()}; });
  read("function", false, [&](const std::string& name) {
    check_defined(section, "function", "function", name, names.functions);
    return FunctionTarget{name};
  });
  read("invoke", false, [&](const std::string& text) { return read_invoke_target(section, text, names, app); });
  read("text", true, [&](const std::string& text) { return TextTarget{text}; });
  if (given.empty()) {
    section.problem("leads nowhere; give it one of: files, function, invoke, text");
  } else if (given.size() > 1) {
    section.problem(given[1], fmt::format("is one target too many; keep one of: {}", fmt::join(given, ", ")));
  }
}

/// Whether every request that `later` would take is taken by `earlier`.
bool covers(const Route& earlier, const Route& later) {
  const auto asked_too = [&](const auto& header) {
    return std::find(later.headers.begin(), later.headers.end(), header) != later.headers.end();
  };
  const bool prefix = earlier.path.ends_with("/*");
  const bool path = prefix ? later.path.starts_with(std::string_view(earlier.path).substr(0, earlier.path.size() - 1))
                           : later.path == earlier.path;
  return path && (earlier.method.empty() || earlier.method == later.method) &&
         std::all_of(earlier.headers.begin(), earlier.headers.end(), asked_too);
}

}  // namespace

std::string_view path_defect(std::string_view path) {
  if (!path.starts_with('/')) {
    return "must begin with '/'";
  }
  if (path.find_first_of("?#\\") != std::string_view::npos) {
    return "must not contain '?', '#' or '\\'; a route sees the path alone";
  }
  if (std::any_of(path.begin(), path.end(), [](char c) { return c >= 0 && (c <= ' ' || c == '\x7f'); })) {
    return "must not contain spaces or control characters";
  }
  if (path.find("//") != std::string_view::npos) {
    return "must not contain '//'";
  }
  const std::string segments = std::string(path) + '/';
  if (segments.find("/./") != std::string::npos || segments.find("/../") != std::string::npos) {
    return "must not contain '.' or '..' as a segment";
  }
  return {};
}

void check_defined(const Section& section, std::string_view field, std::string_view kind, std::string_view name,
                   const std::vector<std::string_view>& defined) {
  if (std::find(defined.begin(), defined.end(), name) != defined.end()) {
    return;
  }
  const std::string hint =
      defined.empty() ? fmt::format("; define it with [{}.{}]", kind, name) : suggestion(name, defined);
  section.problem(field, fmt::format("{} \"{}\" is not defined{}", kind, name, hint));
}

InvokeTarget read_invoke_target(const Section& section, std::string_view text, const DefinedNames& names,
                                const App& app) {
  const std::size_t slash = std::min(text.find('/'), text.size());
  InvokeTarget target{std::string(text.substr(0, slash)), slash == text.size() ? "/" : std::string(text.substr(slash))};
  if (!app.sidecar) {
    check_defined(section, "invoke", "app", target.app, names.apps);
  } else if (!is_app_elsewhere(target.app)) {
    section.problem("invoke", fmt::format("\"{}\" is no app-id; write it as in \"billing/charge\"", target.app));
  }
  std::string_view defect = path_defect(target.path);
  if (defect.empty() && target.path.find('*') != std::string::npos) {
    defect = "must not contain '*'";
  }
  if (!defect.empty()) {
    section.problem("invoke", fmt::format("its path \"{}\" {}", target.path, defect));
  }
  return target;
}

std::vector<Route> read_routes(Section& of_app, const DefinedNames& names, const std::filesystem::path& folder,
                               const App& app) {
  std::vector<Route> routes;
  for (Section& section : of_app.listed_tables("route", kMaxRoutes)) {
    Route route;
    route.source.line = section.line();
    read_method(section, route);
    read_path(section, route);
    read_headers(section, route);
    read_target(section, route, names, folder, app);
    route.outputs = read_outputs(section, Caller::Route, names, app);
    if (!route.outputs.empty() && !std::holds_alternative<FunctionTarget>(route.target)) {
      section.problem("output", "is for what a function returned; this route leads to none");
    }
    read_cors(section, route);
    section.finish();
    const auto first =
        std::find_if(routes.begin(), routes.end(), [&](const Route& earlier) { return covers(earlier, route); });
    if (first != routes.end() && !route.path.empty()) {
      section.problem(fmt::format("is never reached: route[{}] on line {} takes all its requests; {}",
                                  first - routes.begin() + 1, first->source.line,
                                  covers(route, *first) ? "remove one of them" : "put this one before it"));
    }
    routes.push_back(std::move(route));
  }
  return routes;
}

}  // namespace trilby::app
