/// \file  WASI preview 1 for functions with directories.
///
/// Everything about descriptors and paths is wasmtime-wasi's, whose handling of paths is audited; arguments,
/// environment, clocks, chance, waiting and the end of the process are those of wasi.h, under the same limits and
/// grants. Its calls block the thread for as long as the file system takes, so such functions run on loops of their
/// own.
#pragma once

#include "wasm/prepared.h"

namespace trilby::host {

void define_wasi_with_files(wasm::Linker& linker);

}  // namespace trilby::host
