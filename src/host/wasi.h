/// \file  WASI preview 1 for functions without directories. Source: WASI snapshot preview 1
/// (wasi_snapshot_preview1.witx).
///
/// All 46 functions are there. Real are arguments (the function's name), the environment that it is granted, clocks,
/// random, descriptors 0 to 2, poll_oneoff, exit and yield. There is no descriptor but these, so all else answers
/// EBADF, ENOTSUP or, where only a grant is missing, ENOTCAPABLE.
#pragma once

#include <string_view>

#include "wasm/prepared.h"

namespace trilby::host {

void define_wasi(const wasm::Linker& linker);
/// Only what has nothing to do with files: arguments, environment, clocks, random, poll_oneoff, exit and yield, and the
/// refusal of signals and sockets.
void define_wasi_without_files(const wasm::Linker& linker);
[[nodiscard]] bool wasi_provides(std::string_view name);

}  // namespace trilby::host
