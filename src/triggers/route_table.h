/// \file  Which route a request takes.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/units.h"
#include "call/fields.h"
#include "invoke/invoker.h"
#include "triggers/files.h"
#include "triggers/output.h"

namespace trilby::triggers {

// What a route leads to.
struct FilesTarget {
  std::shared_ptr<const FileSite> site;
};
struct TextTarget {
  std::string text;
};
struct FunctionTarget {
  std::shared_ptr<const invoke::Function> function;
  Bytes request_body;     ///< the function's limit: longer announced bodies are refused unread
  std::size_t label = 0;  ///< in observe::Labels::functions()
  std::shared_ptr<invoke::Admission> app = nullptr;  ///< of the route's app; null when its functions' limits are less
  std::shared_ptr<const OutputList> outputs = nullptr;  ///< what becomes of what it returns; null: it is answered
};
struct InvokeTarget {
  std::string app;   ///< app-id
  std::string path;  ///< begins with '/'
};
using RouteTarget = std::variant<FilesTarget, TextTarget, FunctionTarget, InvokeTarget>;

struct Route {
  std::string method;  ///< upper case; empty: any, which for files and text is GET and HEAD
  std::string path;    ///< exact, or a prefix that ends in "/*"
  std::vector<std::pair<std::string, std::string>> headers;  ///< all must match: names without case, values exactly
  std::string cors;                                          ///< allowed origin: "*" or one origin; empty: no CORS
  RouteTarget target;
  std::size_t label = 0;  ///< in observe::Labels::routes()
};

/// Whether `route` takes this path, and the part of it that '*' stands for.
[[nodiscard]] bool matches_path(const Route& route, std::string_view path);
[[nodiscard]] std::string_view path_below(const Route& route, std::string_view path);
/// How much of `path`, which it takes, the route names itself: "/cgi" of "/cgi/a" for "/cgi/*".
[[nodiscard]] std::size_t script_length(const Route& route, std::string_view path);
/// GET stands for HEAD too.
[[nodiscard]] bool matches_method(const Route& route, std::string_view method);
[[nodiscard]] bool matches_headers(const Route& route, const Fields& fields);

/// The routes of one app; the first that matches wins. Threading: any; immutable.
class RouteTable {
 public:
  explicit RouteTable(std::vector<Route> routes) : routes_(std::move(routes)) {}

  [[nodiscard]] const std::vector<Route>& routes() const { return routes_; }
  /// \return null when none matches
  [[nodiscard]] const Route* find(std::string_view method, std::string_view path, const Fields& fields) const;
  /// For an Allow field: the methods of all routes that match but for the method. Empty when there are none.
  [[nodiscard]] std::string allowed_methods(std::string_view path, const Fields& fields) const;

 private:
  std::vector<Route> routes_;
};

/// The methods that `route` is known to take, in a fixed order; "*" for one that takes all.
[[nodiscard]] std::vector<std::string_view> methods_of(const Route& route);

/// A field's list of methods, each once.
class MethodList {
 public:
  void add(std::string_view method);
  [[nodiscard]] std::string text() const;  ///< "GET, HEAD, POST"; empty when there are none

 private:
  std::vector<std::string> methods_;
};

}  // namespace trilby::triggers
