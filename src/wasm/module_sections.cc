#include "wasm/module_sections.h"

#include <algorithm>
#include <optional>
#include <tuple>

namespace trilby::wasm {
namespace {

// Far above what toolchains emit, and low enough that describing a hostile module stays cheap.
constexpr std::size_t kMaxExports = 100'000;
constexpr std::size_t kMaxFunctions = 1'000'000;
constexpr std::size_t kMaxTypeText = 200;
constexpr std::uint64_t kPage = 65536;

std::string_view value_type_name(std::uint8_t code) {
  switch (code) {
    case 0x7F:
      return "i32";
    case 0x7E:
      return "i64";
    case 0x7D:
      return "f32";
    case 0x7C:
      return "f64";
    case 0x7B:
      return "v128";
    case 0x70:
      return "funcref";
    case 0x6F:
      return "externref";
    default:
      return "ref";
  }
}

}  // namespace

bool ModuleSections::section(std::uint8_t id, BinaryReader& in) {
  switch (id) {
    case 1:
      types(in);
      break;
    case 2:
      imports(in);
      break;
    case 3:
      functions(in);
      break;
    case 4:
      tables(in);
      break;
    case 5:
      memories(in);
      break;
    case 7:
      exports(in);
      break;
    case 8:
      info_.start_function = true;
      break;
    default:
      break;  // what it computes, not what it is
  }
  return in.ok();
}

void ModuleSections::types(BinaryReader& in) {
  for (std::uint32_t left = in.u32(); left > 0 && in.ok(); --left) {
    std::uint32_t members = 1;
    if (in.peek() == 0x4E) {  // a group of types that refer to each other
      std::ignore = in.byte();
      members = in.u32();
    }
    for (; members > 0 && in.ok(); --members) {
      type(in);
    }
  }
}

void ModuleSections::type(BinaryReader& in) {
  if (types_.size() >= kMaxFunctions) {
    return in.fail();
  }
  if (in.peek() == 0x50 || in.peek() == 0x4F) {  // subtype: its supertypes come first
    std::ignore = in.byte();
    for (std::uint32_t left = in.u32(); left > 0 && in.ok(); --left) {
      std::ignore = in.u32();
    }
  }
  BinaryReader start = in;
  switch (in.byte()) {
    case 0x60:
      std::ignore = start.byte();
      types_.push_back(start);
      value_types(in, nullptr);
      value_types(in, nullptr);
      return;
    case 0x5F:
      for (std::uint32_t left = in.u32(); left > 0 && in.ok(); --left) {
        field_type(in);
      }
      break;
    case 0x5E:
      field_type(in);
      break;
    default:
      in.fail();
      break;
  }
  types_.emplace_back(std::span<const std::byte>());
}

void ModuleSections::field_type(BinaryReader& in) {
  std::ignore = value_type(in);
  std::ignore = in.byte();  // mutability
}

std::string_view ModuleSections::value_type(BinaryReader& in) {
  const std::uint8_t code = in.byte();
  if (code == 0x64 || code == 0x63) {
    in.skip_s33();
  }
  return value_type_name(code);
}

void ModuleSections::value_types(BinaryReader& in, std::string* text) {
  bool first = true;
  for (std::uint32_t left = in.u32(); left > 0 && in.ok(); --left) {
    const std::string_view type = value_type(in);
    if (text == nullptr) {
      continue;
    }
    if (text->size() > kMaxTypeText) {
      *text += ", ...";
      return;
    }
    *text += first ? "" : ", ";
    *text += type;
    first = false;
  }
}

std::string ModuleSections::function_type(std::uint32_t type) const {
  if (type >= types_.size()) {
    return {};
  }
  BinaryReader in = types_[type];
  std::string params;
  std::string results;
  value_types(in, &params);
  if (params.size() <= kMaxTypeText) {
    value_types(in, &results);
  }
  return "(" + params + ") -> " +
         (results.find(',') == std::string::npos && !results.empty() ? results : "(" + results + ")");
}

void ModuleSections::imports(BinaryReader& in) {
  for (std::uint32_t left = in.u32(); left > 0 && in.ok(); --left) {
    if (info_.imports.size() >= kMaxImports) {
      return in.fail();
    }
    Import import;
    import.module = in.name();
    import.name = in.name();
    switch (in.byte()) {
      case 0:
        import.kind = ExternKind::Function;
        functions_.push_back(in.u32());
        import.type = function_type(functions_.back());
        break;
      case 1:
        import.kind = ExternKind::Table;
        std::ignore = value_type(in);
        table(in);
        break;
      case 2:
        import.kind = ExternKind::Memory;
        memory(in);
        break;
      case 3:
        import.kind = ExternKind::Global;
        field_type(in);
        break;
      case 4:
        import.kind = ExternKind::Tag;
        std::ignore = in.byte();
        std::ignore = in.u32();
        break;
      default:
        in.fail();
        break;
    }
    info_.imports.push_back(std::move(import));
  }
}

void ModuleSections::functions(BinaryReader& in) {
  for (std::uint32_t left = in.u32(); left > 0 && in.ok(); --left) {
    if (functions_.size() >= kMaxFunctions) {
      return in.fail();
    }
    functions_.push_back(in.u32());
  }
}

void ModuleSections::tables(BinaryReader& in) {
  for (std::uint32_t left = in.u32(); left > 0 && in.ok(); --left) {
    if (in.peek() == 0x40) {
      return;  // with an initial value: an expression, which only the engine can read
    }
    std::ignore = value_type(in);
    table(in);
  }
}

void ModuleSections::memories(BinaryReader& in) {
  for (std::uint32_t left = in.u32(); left > 0 && in.ok(); --left) {
    memory(in);
  }
}

void ModuleSections::table(BinaryReader& in) {
  std::uint8_t flags = 0;
  const Extent extent = limits(in, 1, flags);
  if (info_.tables.size() >= kMaxImports) {
    return in.fail();
  }
  info_.tables.push_back(extent);
}

void ModuleSections::memory(BinaryReader& in) {
  std::uint8_t flags = 0;
  const Extent extent = limits(in, kPage, flags);
  info_.shared_memory |= (flags & 2U) != 0;
  info_.memory64 |= (flags & 4U) != 0;
  if (info_.memories.size() >= kMaxImports) {
    return in.fail();
  }
  info_.memories.push_back(extent);
}

Extent ModuleSections::limits(BinaryReader& in, std::uint64_t unit, std::uint8_t& flags) {
  flags = in.byte();
  if (flags > 0x0F) {
    in.fail();
  }
  std::uint64_t min = in.u64();
  std::uint64_t max = (flags & 1U) != 0 ? in.u64() : 0;
  if ((flags & 8U) != 0) {
    const std::uint32_t log2 = in.u32();
    unit = log2 <= 16 ? std::uint64_t{1} << log2 : unit;
  }
  constexpr std::uint64_t kMost = std::uint64_t{1} << 48U;  // so that the products fit
  min = std::min(min, kMost) * unit;
  max = std::min(max, kMost) * unit;
  return Extent{min, (flags & 1U) != 0 ? std::optional(max) : std::nullopt};
}

void ModuleSections::exports(BinaryReader& in) {
  for (std::uint32_t left = in.u32(); left > 0 && in.ok(); --left) {
    if (info_.exports.size() >= kMaxExports) {
      return in.fail();
    }
    Export item;
    item.name = in.name();
    const std::uint8_t kind = in.byte();
    item.kind = kind <= 4 ? static_cast<ExternKind>(kind) : ExternKind::Other;
    const std::uint32_t index = in.u32();
    if (item.kind == ExternKind::Function && index < functions_.size()) {
      item.type = function_type(functions_[index]);
    }
    info_.exports.push_back(std::move(item));
  }
}

}  // namespace trilby::wasm
