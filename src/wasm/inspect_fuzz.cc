#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "wasm/inspect.h"

/// Whatever it is fed, inspect() reads inside its bytes and says nothing longer than they could hold.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto info = trilby::wasm::inspect(std::as_bytes(std::span(data, size)));
  if (info) {
    std::size_t names = 0;
    for (const auto& item : info->exports) {
      names += item.name.size();
    }
    if (names > size) {
      std::abort();
    }
  }
  return 0;
}
