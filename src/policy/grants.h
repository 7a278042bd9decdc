/// \file  What a function may reach, and every decision about it. No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "call/denials.h"
#include "policy/dapr_grants.h"

namespace trilby::policy {

/// How a guest sees the time.
enum class ClockKind : std::uint8_t {
  Coarse,   ///< in whole milliseconds: too coarse to time a cache line or a comparison of secrets by a few readings
  Precise,  ///< as the host sees it
  Fixed,    ///< the same for every call: begins at one moment and goes on by what the guest does
};
/// Nanoseconds between two readings that differ.
[[nodiscard]] constexpr std::uint64_t clock_resolution(ClockKind kind) {
  return kind == ClockKind::Precise ? 1 : 1'000'000;
}

/// A directory of the host that a guest may use.
struct Directory {
  std::string path;   ///< on the host, absolute
  std::string mount;  ///< where the guest finds it
  bool write = false;
};

/// What a function may reach beside its input and output. Empty: nothing.
struct Grants {
  std::set<std::string, std::less<>> models;     ///< names of [model.*]
  std::set<std::string, std::less<>> variables;  ///< of the host's environment, passed by name
  std::set<std::string, std::less<>> secrets;    ///< names of [secret.*]
  std::vector<Directory> directories;            ///< each mount once
  DaprGrants dapr;
  bool precise_clock = false;
  bool reproducible = false;  ///< takes away: time and chance are the same for every call
};

[[nodiscard]] inline ClockKind clock_kind(const Grants& grants) {
  return grants.reproducible ? ClockKind::Fixed : grants.precise_clock ? ClockKind::Precise : ClockKind::Coarse;
}

/// The variable that a granted secret is given as: "db-password" as DB_PASSWORD.
[[nodiscard]] std::string secret_variable(std::string_view secret);

[[nodiscard]] inline bool may_use_model(const Grants& grants, std::string_view model) {
  return grants.models.contains(model);
}

/// What would grant `function` the `wanted` thing of a kind, for whoever writes its manifest: a line for it where there
/// is one. `wanted` comes from the guest; the answer is printable and at most some kilobytes.
[[nodiscard]] std::string mend(const Grants& grants, std::string_view function, Grant kind, std::string_view wanted);

}  // namespace trilby::policy
