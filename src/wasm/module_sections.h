/// \file  The sections of a core module that say what it is. Internal to wasm/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wasm/binary_reader.h"
#include "wasm/inspect.h"

namespace trilby::wasm {

inline constexpr std::size_t kMaxImports = 10'000;

/// Reads sections into a ModuleInfo, one member function each. What later sections refer to is kept as bytes.
class ModuleSections {
 public:
  explicit ModuleSections(ModuleInfo& info) : info_(info) {}
  /// \return false when the section is malformed; others than those that describe the module are not looked at
  [[nodiscard]] bool section(std::uint8_t id, BinaryReader& in);

 private:
  void types(BinaryReader& in);
  void type(BinaryReader& in);
  static void field_type(BinaryReader& in);
  static std::string_view value_type(BinaryReader& in);
  static void value_types(BinaryReader& in, std::string* text);
  [[nodiscard]] std::string function_type(std::uint32_t type) const;
  void imports(BinaryReader& in);
  void functions(BinaryReader& in);
  void tables(BinaryReader& in);
  void memories(BinaryReader& in);
  void table(BinaryReader& in);
  void memory(BinaryReader& in);
  /// Bit 0: has a maximum, 1: shared, 2: 64 bits, 3: a page size follows.
  static Extent limits(BinaryReader& in, std::uint64_t unit, std::uint8_t& flags);
  void exports(BinaryReader& in);

  ModuleInfo& info_;
  std::vector<BinaryReader> types_;       // each at its parameters; empty for types that are no functions
  std::vector<std::uint32_t> functions_;  // their types, imported ones first
};

}  // namespace trilby::wasm
