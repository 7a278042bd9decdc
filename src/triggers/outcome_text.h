/// \file  What an outcome says for the operator's log.
#pragma once

#include <string>

#include "call/call.h"

namespace trilby::triggers {

/// Why a call ended as it did: its message, else what its caller is told; empty when it has neither. Valid while
/// `outcome` stays as it is.
[[nodiscard]] inline const std::string& why(const Outcome& outcome) {
  return outcome.message.empty() ? outcome.detail : outcome.message;
}

}  // namespace trilby::triggers
