/// \file  What a caller is told when there is no other answer: application/problem+json (RFC 9457).
#pragma once

#include <string>
#include <string_view>

#include "base/reason.h"

namespace trilby::triggers {

inline constexpr const char* kProblemType = "application/problem+json";

/// The document for `reason`. It holds what the table of reasons says, `status`, `detail` made printable and cut to 1
/// KiB, and the request id, so nothing that the caller may not know unless `detail` does.
[[nodiscard]] std::string problem_document(Reason reason, int status, std::string_view detail,
                                           std::string_view request_id);

}  // namespace trilby::triggers
