/// \file  What this machine has to build functions in C with.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace trilby::cli {

/// Debian's, which `trilby init` names when there is none here.
inline constexpr std::string_view kUsualCompiler = "clang-14";
inline constexpr std::string_view kInstallCompiler =
    "apt-get install clang-14 lld-14 wasi-libc libclang-rt-14-dev-wasm32";

/// The first clang on the PATH that makes a WASI command of a small program, for a clang alone does not: it takes a
/// linker, a C library and compiler-rt beside it. Cost: runs it, some 0.1 s for each that is there.
[[nodiscard]] std::optional<std::string> find_wasi_compiler();

}  // namespace trilby::cli
