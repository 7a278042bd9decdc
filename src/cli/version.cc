#include "cli/version.h"

#include <fmt/core.h>

#include "wasm/engine.h"

namespace trilby::cli {

std::string version_line() {
  return fmt::format("trilby {} (wasmtime {})\n", TRILBY_VERSION, wasm::engine_version());
}

}  // namespace trilby::cli
