/// \file  The routes of an app, as the manifest writes them.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "app/manifest.h"
#include "app/manifest_section.h"

namespace trilby::app {

/// What the manifest defines, known before anything that uses it is read.
struct DefinedNames {
  std::vector<std::string_view> apps;
  std::vector<std::string_view> functions;
  std::vector<std::string_view> models;
  std::vector<std::string_view> secrets;
};

/// Notes a problem unless `name` is one of `defined`. \param kind "function", as in [function.NAME]
void check_defined(const Section& section, std::string_view field, std::string_view kind, std::string_view name,
                   const std::vector<std::string_view>& defined);

/// What keeps `path` from ever being a request's path; empty when nothing does.
[[nodiscard]] std::string_view path_defect(std::string_view path);

/// Reads "APP/PATH" in the field `invoke` of a route or an output of `app`. An app that the manifest does not have can
/// only be reached through the sidecar of `app`.
[[nodiscard]] InvokeTarget read_invoke_target(const Section& section, std::string_view text, const DefinedNames& names,
                                              const App& app);

/// Reads [[app.ID.route]] of `app`, whose sidecar has been read. Routes that are wrong, or that no request could reach,
/// become problems.
/// \param folder where relative paths begin
[[nodiscard]] std::vector<Route> read_routes(Section& of_app, const DefinedNames& names,
                                             const std::filesystem::path& folder, const App& app);

}  // namespace trilby::app
