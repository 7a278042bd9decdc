/// \file  From WebAssembly text to a module.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace trilby::wasm {

/// Needs no engine. Checks the form and not the types: whoever compiles the result does. \return Reason::Manifest with
/// the assembler's words
[[nodiscard]] Result<std::vector<std::byte>> module_from_text(std::string_view text);

}  // namespace trilby::wasm
