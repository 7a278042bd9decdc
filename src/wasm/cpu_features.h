/// \file  What this machine's processor can do, as far as compiled code may rest on it.
#pragma once

#include <string>

namespace trilby::wasm {

/// The processor's own feature words, in hexadecimal: equal on two machines only if code compiled on one runs on the
/// other.
[[nodiscard]] std::string cpu_features();

}  // namespace trilby::wasm
