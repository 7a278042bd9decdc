/// \file  Makes WebAssembly imports of plain C++ functions: signature, decoding of arguments, accounting and unwinding
/// come from the function's type. Internal to wasm/ and host/.
///
/// A host function is `std::uint32_t f(Guest&, Args...)`, whose result is the guest's i32, or `void f(Guest&,
/// Args...)`; an asynchronous one is `void f(Guest&, Args...)` and calls complete(), wait() or work(). Args are
/// std::uint32_t (i32) and std::uint64_t (i64). They do not throw: bad_alloc ends the process, which its supervisor
/// restarts.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <type_traits>
#include <utility>

#include "wasm/guest.h"
#include "wasm/prepared.h"

namespace trilby::wasm {

/// \return the trap that ends the guest when a host function asked for that, else null
[[nodiscard]] wasm_trap_t* unwind_if_told(const Guest& guest);

namespace detail {

template <typename T>
constexpr wasm_valkind_t kKind = sizeof(T) == 8 ? WASM_I64 : WASM_I32;

template <typename T>
T argument(const wasmtime_val_raw_t& raw) {
  return static_cast<T>(sizeof(T) == 8 ? raw.i64 : raw.i32);
}
template <typename T>
T argument(const wasmtime_val_t& value) {
  return static_cast<T>(sizeof(T) == 8 ? value.of.i64 : value.of.i32);
}

template <auto function>
struct Adapter;

template <typename Result, typename... Args, Result (*function)(Guest&, Args...)>
struct Adapter<function> {
  static constexpr std::array<wasm_valkind_t, sizeof...(Args)> kParams = {kKind<Args>...};
  static constexpr bool kHasResult = !std::is_void_v<Result>;
  static_assert(((std::is_same_v<Args, std::uint32_t> || std::is_same_v<Args, std::uint64_t>) && ...));

  static wasm_trap_t* call(void* /*env*/, wasmtime_caller_t* caller, wasmtime_val_raw_t* raw,
                           std::size_t /*count*/) noexcept {
    Guest& guest = Guest::of(caller);
    if (guest.charge(1)) {
      guest.enter_host(caller);
      apply(guest, raw, std::index_sequence_for<Args...>());
    }
    return unwind_if_told(guest);
  }

  // NOLINTNEXTLINE(readability-function-size): the engine says what it is given
  static void call_async(void* /*env*/, wasmtime_caller_t* caller, const wasmtime_val_t* values, std::size_t /*count*/,
                         wasmtime_val_t* results, std::size_t /*results_count*/, wasm_trap_t** trap,
                         wasmtime_async_continuation_t* continuation) noexcept {
    Guest& guest = Guest::of(caller);
    guest.enter_async_host(caller, results, trap, continuation);
    if (guest.charge(1)) {
      apply_async(guest, values, std::index_sequence_for<Args...>());
    }
    guest.leave_async_host();
  }

 private:
  template <std::size_t... at>
  static void apply(Guest& guest, wasmtime_val_raw_t* raw, std::index_sequence<at...> /*all*/) {
    if constexpr (kHasResult) {
      raw[0].i32 = static_cast<std::int32_t>(function(guest, argument<Args>(raw[at])...));
    } else {
      function(guest, argument<Args>(raw[at])...);
    }
  }
  template <std::size_t... at>
  static void apply_async(Guest& guest, const wasmtime_val_t* values, std::index_sequence<at...> /*all*/) {
    function(guest, argument<Args>(values[at])...);
  }
};

[[nodiscard]] FunctypePtr make_functype(std::span<const wasm_valkind_t> params, bool has_result);
void define(const Linker& linker, std::string_view module, std::string_view name, const wasm_functype_t& type,
            wasmtime_func_unchecked_callback_t callback, void* env);
void define_async(const Linker& linker, std::string_view module, std::string_view name, const wasm_functype_t& type,
                  wasmtime_func_async_callback_t callback);

}  // namespace detail

template <auto function>
void define(const Linker& linker, std::string_view module, std::string_view name) {
  using A = detail::Adapter<function>;
  detail::define(linker, module, name, *detail::make_functype(A::kParams, A::kHasResult), &A::call, nullptr);
}

template <auto function>
void define_async(const Linker& linker, std::string_view module, std::string_view name) {
  using A = detail::Adapter<function>;
  static_assert(!A::kHasResult, "asynchronous functions answer with complete()");
  detail::define_async(linker, module, name, *detail::make_functype(A::kParams, true), &A::call_async);
}

}  // namespace trilby::wasm
