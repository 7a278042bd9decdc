/// \file  The manifest: one TOML file that describes a whole system (docs/manifest.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "policy/policy.h"

namespace trilby::app {

/// Where something stands in the manifest, for messages: "trilby.toml:12".
struct Source {
  std::uint32_t line = 0;
};

struct Address {
  std::string host;        ///< an IP address
  std::uint16_t port = 0;  ///< 0: any free one
};

// What a route leads to.
struct FilesTarget {
  std::filesystem::path root;
};  ///< a file, or a folder for a path that ends in "*"
struct FunctionTarget {
  std::string function;
};
struct InvokeTarget {
  std::string app;
  std::string path;
};  ///< Dapr service invocation; path begins with '/'
struct TextTarget {
  std::string text;
};
using RouteTarget = std::variant<FilesTarget, FunctionTarget, InvokeTarget, TextTarget>;

struct Route {
  std::string method;                                        ///< upper case; empty: any
  std::string path;                                          ///< exact, or a prefix that ends in "/*"
  std::vector<std::pair<std::string, std::string>> headers;  ///< all must match: names without case, values exactly
  std::string cors;                                          ///< allowed origin: "*" or one origin; empty: no CORS
  RouteTarget target;
  Source source;
};

struct App {
  std::string id;  ///< Dapr app-id
  std::uint16_t port = 0;
  std::optional<Address> public_address;
  std::vector<Route> routes;  ///< first match wins
  Source source;
};

struct Build {
  std::string command;
  std::filesystem::path workdir;
};

struct Function {
  std::string name;
  std::filesystem::path module;
  std::string content_type = "application/octet-stream";
  policy::Policy policy;
  std::optional<Build> build;
  Source source;
};

struct Model {
  std::string name;
  std::filesystem::path path;
  std::uint32_t threads = 1;
  Source source;
};

/// A manifest that was read whole and is consistent in itself: every name it uses is defined, every number is in range,
/// paths are absolute. Whether files exist and ports are free is not known yet.
struct Manifest {
  std::filesystem::path path;
  Address admin{"127.0.0.1", 9464};
  std::vector<App> apps;
  std::vector<Function> functions;
  std::vector<Model> models;
};

/// Reads at most 1 MiB of TOML. \return Reason::Manifest with "file:line: field: what is wrong, did you mean ...?"
[[nodiscard]] Result<Manifest> load_manifest(const std::filesystem::path& path);
/// The same of text, for tests and fuzzing. `path` is for messages and for resolving relative paths.
[[nodiscard]] Result<Manifest> parse_manifest(std::string_view text, const std::filesystem::path& path);

}  // namespace trilby::app
