#include "wasm/host_function.h"

#include <algorithm>
#include <cstdlib>

namespace trilby::wasm::detail {
namespace {

/// A name defined twice is a defect of ours that every start would show.
void must_be_fine(wasmtime_error_t* raw) {
  const ErrorPtr error(raw);
  if (error) {
    std::abort();
  }
}

}  // namespace

FunctypePtr make_functype(std::span<const wasm_valkind_t> params, bool has_result) {
  wasm_valtype_vec_t in;
  wasm_valtype_vec_t out;
  wasm_valtype_vec_new_uninitialized(&in, params.size());
  std::transform(params.begin(), params.end(), in.data, [](wasm_valkind_t kind) { return wasm_valtype_new(kind); });
  wasm_valtype_vec_new_uninitialized(&out, has_result ? 1 : 0);
  if (has_result) {
    out.data[0] = wasm_valtype_new(WASM_I32);
  }
  return FunctypePtr(wasm_functype_new(&in, &out));  // takes both
}

void define(const Linker& linker, std::string_view module, std::string_view name, const wasm_functype_t& type,
            wasmtime_func_unchecked_callback_t callback, void* env) {
  must_be_fine(wasmtime_linker_define_func_unchecked(linker.raw(), module.data(), module.size(), name.data(),
                                                     name.size(), &type, callback, env, nullptr));
}

void define_async(const Linker& linker, std::string_view module, std::string_view name, const wasm_functype_t& type,
                  wasmtime_func_async_callback_t callback) {
  must_be_fine(wasmtime_linker_define_async_func(linker.raw(), module.data(), module.size(), name.data(), name.size(),
                                                 &type, callback, nullptr, nullptr));
}

}  // namespace trilby::wasm::detail
