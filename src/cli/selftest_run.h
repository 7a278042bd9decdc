/// \file  Runs cases of the hostile suite against a real system.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "cli/selftest_case.h"

namespace trilby::cli {

enum class Held : std::uint8_t { Yes, No, Skipped };

struct Verdict {
  std::string name;
  std::string row;
  std::string expected;  ///< "limit-cpu", "refused"
  Held held = Held::No;
  std::string why;  ///< when not: what happened instead, or what is missing
  Duration took{};
};

/// Runs `cases` in order. Each has to end as it says; after each, the worker is the one that it was, and an honest
/// request gets its answer. Last comes a verdict on what is left: the system drains, its log is one, and the host's
/// secret is nowhere in it.
/// \param on_verdict  called as they come \return Reason::Internal when nothing can be run, Reason::Cancelled when it
/// was interrupted
[[nodiscard]] Result<void> run_cases(const std::vector<Case>& cases,
                                     const std::function<void(const Verdict&)>& on_verdict);

/// "limit-cpu", or for more attempts "trap, ok"; "refused".
[[nodiscard]] std::string expectation(const Case& tried);

}  // namespace trilby::cli
