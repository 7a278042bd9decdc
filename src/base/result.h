/// \file  Errors as values.
#pragma once

#include <string>
#include <utility>

#include <fmt/core.h>
#include <tl/expected.hpp>

#include "base/reason.h"

namespace trilby {

/// What went wrong. `message` is for the operator: what was tried, on which object, with which value and limit. It may
/// name paths and addresses, so it goes to logs and terminals and never to a remote caller.
struct Error {
  Reason reason = Reason::Internal;
  std::string message;
};

template <typename T>
using Result = tl::expected<T, Error>;

/// `return fail(Reason::Manifest, "port {} is not in 1..65535", port);`
template <typename... Args>
[[nodiscard]] tl::unexpected<Error> fail(Reason reason, fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(Error{reason, fmt::format(format, std::forward<Args>(args)...)});
}

[[nodiscard]] inline tl::unexpected<Error> fail(Error error) {
  return tl::unexpected<Error>(std::move(error));
}

}  // namespace trilby

// NOLINTBEGIN(bugprone-macro-parentheses): names and declarations cannot stand in parentheses.
#define TRILBY_CONCAT_INNER(a, b) a##b
#define TRILBY_CONCAT(a, b) TRILBY_CONCAT_INNER(a, b)

/// Leaves the enclosing function with the error of `expression`, a Result<void>.
#define TRILBY_CHECK(expression)                                \
  do {                                                          \
    if (auto trilby_checked = (expression); !trilby_checked) {  \
      return ::trilby::fail(std::move(trilby_checked).error()); \
    }                                                           \
  } while (false)

/// `TRILBY_ASSIGN(const Manifest manifest, load(path));` declares `manifest` or leaves with the error.
#define TRILBY_ASSIGN(declaration, expression) \
  TRILBY_ASSIGN_NAMED(TRILBY_CONCAT(trilby_result_, __LINE__), declaration, expression)
#define TRILBY_ASSIGN_NAMED(name, declaration, expression) \
  auto name = (expression);                                \
  if (!name) {                                             \
    return ::trilby::fail(std::move(name).error());        \
  }                                                        \
  declaration = std::move(*name)
// NOLINTEND(bugprone-macro-parentheses)
