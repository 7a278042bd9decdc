#include "wasm/text_format.h"

#include <span>

#include "wasm/c_api.h"

namespace trilby::wasm {

Result<std::vector<std::byte>> module_from_text(std::string_view text) {
  ByteVec wasm;
  const ErrorPtr error(wasmtime_wat2wasm(text.data(), text.size(), &wasm));
  if (error) {
    return fail(Reason::Manifest, "{}", message_of(*error));
  }
  const auto bytes = std::as_bytes(std::span(wasm.data, wasm.size));
  return std::vector<std::byte>(bytes.begin(), bytes.end());
}

}  // namespace trilby::wasm
