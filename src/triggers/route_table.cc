#include "triggers/route_table.h"

#include <algorithm>

#include <fmt/ranges.h>

namespace trilby::triggers {
namespace {

constexpr std::string_view kAny = "*";

bool is_prefix(const Route& route) {
  return route.path.ends_with("/*");
}

/// Files and text are there to be read.
bool is_only_read(const Route& route) {
  return std::holds_alternative<FilesTarget>(route.target) || std::holds_alternative<TextTarget>(route.target);
}

}  // namespace

bool matches_path(const Route& route, std::string_view path) {
  return is_prefix(route) ? path.starts_with(std::string_view(route.path).substr(0, route.path.size() - 1))
                          : path == route.path;
}

std::string_view path_below(const Route& route, std::string_view path) {
  return is_prefix(route) ? path.substr(route.path.size() - 1) : std::string_view();
}

std::size_t script_length(const Route& route, std::string_view path) {
  return is_prefix(route) ? route.path.size() - 2 : path.size();
}

std::vector<std::string_view> methods_of(const Route& route) {
  if (route.method == "GET" || (route.method.empty() && is_only_read(route))) {
    return {"GET", "HEAD"};
  }
  return {route.method.empty() ? kAny : std::string_view(route.method)};
}

bool matches_method(const Route& route, std::string_view method) {
  if (route.method.empty() && !is_only_read(route)) {
    return true;
  }
  return route.method.empty() || route.method == "GET" ? method == "GET" || method == "HEAD" : method == route.method;
}

bool matches_headers(const Route& route, const Fields& fields) {
  return std::all_of(route.headers.begin(), route.headers.end(), [&](const auto& wanted) {
    const std::string* value = fields.find(wanted.first);
    return value != nullptr && *value == wanted.second;
  });
}

const Route* RouteTable::find(std::string_view method, std::string_view path, const Fields& fields) const {
  const auto at = std::find_if(routes_.begin(), routes_.end(), [&](const Route& route) {
    return matches_path(route, path) && matches_method(route, method) && matches_headers(route, fields);
  });
  return at == routes_.end() ? nullptr : &*at;
}

std::string RouteTable::allowed_methods(std::string_view path, const Fields& fields) const {
  MethodList list;
  for (const Route& route : routes_) {
    if (matches_path(route, path) && matches_headers(route, fields)) {
      for (const std::string_view method : methods_of(route)) {
        list.add(method);
      }
    }
  }
  return list.text();
}

void MethodList::add(std::string_view method) {
  if (std::find(methods_.begin(), methods_.end(), method) == methods_.end()) {
    methods_.emplace_back(method);
  }
}

std::string MethodList::text() const {
  return fmt::format("{}", fmt::join(methods_, ", "));
}

}  // namespace trilby::triggers
