/// \file  Wasmtime's C API with owners for its objects. Internal: only .cc files of wasm/ and host/ include this.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <wasmtime.h>

#include "base/text.h"
#include "wasm/engine_abi.h"

namespace trilby::wasm {

template <auto destroy>
struct CDelete {
  void operator()(auto* object) const { destroy(object); }
};

using ErrorPtr = std::unique_ptr<wasmtime_error_t, CDelete<wasmtime_error_delete>>;
using TrapPtr = std::unique_ptr<wasm_trap_t, CDelete<wasm_trap_delete>>;
using FutureHandle = std::unique_ptr<wasmtime_call_future_t, CDelete<wasmtime_call_future_delete>>;
using StorePtr = std::unique_ptr<wasmtime_store_t, CDelete<wasmtime_store_delete>>;
using FunctypePtr = std::unique_ptr<wasm_functype_t, CDelete<wasm_functype_delete>>;

/// A byte vector of the C API; freed with it.
struct ByteVec : wasm_byte_vec_t {
  ByteVec() : wasm_byte_vec_t{0, nullptr} {}
  ~ByteVec() { wasm_byte_vec_delete(this); }
  ByteVec(const ByteVec&) = delete;
  ByteVec& operator=(const ByteVec&) = delete;
  [[nodiscard]] std::string_view view() const { return {data, size}; }
};

/// The engine's words: causes and guest frames. Guests choose parts of them (names), so they are bounded. For logs
/// only.
inline constexpr std::size_t kMaxMessage = 4096;
[[nodiscard]] inline std::string message_of(const wasmtime_error_t& error) {
  ByteVec words;
  wasmtime_error_message(&error, &words);
  return std::string(words.view().substr(0, kMaxMessage));
}
[[nodiscard]] inline std::string message_of(const wasm_trap_t& trap) {
  ByteVec words;
  wasm_trap_message(&trap, &words);
  const std::string_view text = words.view().substr(0, words.size > 0 ? words.size - 1 : 0);  // without the NUL
  return std::string(text.substr(0, kMaxMessage));
}

}  // namespace trilby::wasm
