/// \file  What a function may reach, and every decision about it. No I/O.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "call/denials.h"

namespace trilby::policy {

/// What a function may reach beside its input and output. Empty: nothing.
struct Grants {
  std::set<std::string, std::less<>> models;     ///< names of [model.*]
  std::set<std::string, std::less<>> variables;  ///< of the host's environment, passed by name
  std::set<std::string, std::less<>> secrets;    ///< names of [secret.*]
};

/// The variable that a granted secret is given as: "db-password" as DB_PASSWORD.
[[nodiscard]] std::string secret_variable(std::string_view secret);

[[nodiscard]] inline bool may_use_model(const Grants& grants, std::string_view model) {
  return grants.models.contains(model);
}

/// What would grant `function` the `wanted` thing of a kind, for whoever writes its manifest: a line for it where there
/// is one. `wanted` comes from the guest; the answer is printable and at most some kilobytes.
[[nodiscard]] std::string mend(const Grants& grants, std::string_view function, Grant kind, std::string_view wanted);

}  // namespace trilby::policy
