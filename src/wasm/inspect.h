/// \file  What a Wasm file says about itself, without running or compiling it.
/// Source: WebAssembly core specification 3.0, binary format; component model Binary.md; tool conventions
/// ProducersSection.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/units.h"

namespace trilby::wasm {

using namespace trilby::literals;

inline constexpr Bytes kMaxModule = 64_MiB;

enum class ExternKind : std::uint8_t { Function, Table, Memory, Global, Tag, Other };
[[nodiscard]] std::string_view name(ExternKind kind);

struct Import {
  std::string module;  ///< empty for Wasm components
  std::string name;
  ExternKind kind{};
  std::string type;  ///< "(i32, i64) -> i32" for functions of core modules, else empty
};

struct Export {
  std::string name;
  ExternKind kind{};
  std::string type;
};

struct Extent {
  std::uint64_t min = 0;  ///< bytes of memories, elements of tables
  std::optional<std::uint64_t> max;
};

/// Calling conventions, in the order in which they are recognised (the first that fits).
enum class Abi : std::uint8_t {
  Component,        ///< a Wasm component
  Extism,           ///< imports extism:host/env
  HttpWasm,         ///< imports http_handler
  ProxyWasm,        ///< exports proxy_abi_version_*
  WasmedgeBindgen,  ///< imports env wasmedge-bindgen.return_result, or exports allocate and deallocate
  WasmBindgen,      ///< exports __wbindgen_malloc (rustwasmc, the article's classify)
  SocketServer,     ///< imports sock_open: a WasmEdge server
  Command,          ///< exports _start: stdin to stdout
  Plain,            ///< exports functions and follows no convention we know
};
/// For people: "WASI command".
[[nodiscard]] std::string_view name(Abi abi);

struct ModuleInfo {
  Abi abi = Abi::Plain;
  std::vector<Import> imports;
  std::vector<Export> exports;
  std::vector<Extent> memories;  ///< own and imported
  std::vector<Extent> tables;
  bool shared_memory = false;
  bool memory64 = false;
  bool start_function = false;
  std::vector<std::string> custom_sections;                    ///< names
  std::vector<std::pair<std::string, std::string>> producers;  ///< "processed-by clang" -> "14.0.6"

  [[nodiscard]] const Export* find_export(std::string_view name) const;
  [[nodiscard]] bool imports_module(std::string_view module) const;
};

/// Reads the sections that describe a module; code and data are skipped. All input is hostile: names are checked,
/// counts and sizes are bounded by the bytes there are. What it accepts need not be valid: the engine decides that.
/// \return Reason::Manifest with what is wrong and at which byte
[[nodiscard]] Result<ModuleInfo> inspect(std::span<const std::byte> bytes);

/// Reads a whole module file. \return Reason::Manifest when it is missing, unreadable, no regular file, or over
/// kMaxModule
[[nodiscard]] Result<std::vector<std::byte>> read_module(const std::string& path);

}  // namespace trilby::wasm
