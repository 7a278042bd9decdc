/// \file  The calling convention of WASI commands: the body is standard input, standard output is the answer.
#pragma once

#include <string_view>

#include "call/call.h"
#include "host/host.h"
#include "invoke/function.h"
#include "wasm/sandbox.h"

namespace trilby::invoke {

inline constexpr std::string_view kCommandEntry = "_start";
inline constexpr int kExitBadInput = 65;  // EX_DATAERR of sysexits.h

/// What the end of a command means. `denied`: it asked for something that its manifest does not grant.
[[nodiscard]] Reason judge(const wasm::Ending& ending, std::uint32_t denied_growths, bool denied);

/// The answer of a command that has ended; takes what it wrote out of `host`. The record holds what the sandbox knows.
/// \param answers  what it wrote is counted there until it is sent; Reason::Overloaded when it has no room. May be null
[[nodiscard]] Outcome answer_of(const Function& function, wasm::Ending ending, const wasm::Costs& costs,
                                host::Host& host, BodyBudget* answers);

}  // namespace trilby::invoke
