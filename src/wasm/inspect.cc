#include "wasm/inspect.h"

#include <algorithm>
#include <array>
#include <tuple>

#include "wasm/binary_reader.h"
#include "wasm/module_sections.h"

namespace trilby::wasm {
namespace {

// Far above what toolchains emit, and low enough that describing a hostile module stays cheap.
constexpr std::size_t kMaxCustomSections = 1000;
constexpr std::size_t kMaxProducers = 100;

/// The names that a Wasm component imports or exports; types are skipped.
void component_externs(BinaryReader& in, bool importing, ModuleInfo& info) {
  for (std::uint32_t left = in.u32(); left > 0 && in.ok(); --left) {
    if (info.imports.size() + info.exports.size() >= kMaxImports) {
      return in.fail();
    }
    if (in.byte() > 1) {  // 0 and 1: a name follows; 2: a name with attributes, which we do not know
      return;
    }
    std::string name(in.name());
    if (importing) {
      info.imports.push_back({{}, std::move(name), ExternKind::Other, {}});
    } else {
      info.exports.push_back({std::move(name), ExternKind::Other, {}});
    }
    const std::uint8_t sort = in.byte();
    if (sort == 0) {
      std::ignore = in.byte();  // core sort
    } else if (importing && (sort == 2 || sort == 3) && in.byte() == 1) {
      continue;  // a bound without index: any resource
    }
    std::ignore = in.u32();
    if (!importing && in.byte() != 0) {
      return;  // a type is ascribed; enough is known
    }
  }
}

/// https://github.com/WebAssembly/tool-conventions/blob/main/ProducersSection.md
void producers(BinaryReader in, ModuleInfo& info) {
  for (std::uint32_t fields = in.u32(); fields > 0 && in.ok(); --fields) {
    const std::string_view field = in.name();
    for (std::uint32_t values = in.u32(); values > 0 && in.ok(); --values) {
      const std::string_view tool = in.name();
      const std::string_view version = in.name();
      if (!in.ok() || info.producers.size() >= kMaxProducers) {
        return;
      }
      info.producers.emplace_back(std::string(field) + " " + std::string(tool), std::string(version));
    }
  }
}

/// Errors in custom sections are not errors of the module (core specification, section 5.5.3).
void custom(BinaryReader in, ModuleInfo& info) {
  const std::string_view name = in.name();
  if (!in.ok() || info.custom_sections.size() >= kMaxCustomSections) {
    return;
  }
  info.custom_sections.emplace_back(name);
  if (name == "producers") {
    producers(in, info);
  }
}

bool exports_pair_function(const ModuleInfo& info) {
  return std::any_of(info.exports.begin(), info.exports.end(),
                     [](const Export& item) { return item.type == "(i32, i32) -> i32"; });
}

Abi guess(const ModuleInfo& info) {
  const auto imports = [&](std::string_view module, std::string_view name) {
    return std::any_of(info.imports.begin(), info.imports.end(), [&](const Import& import) {
      return (module.empty() || import.module == module) && import.name == name;
    });
  };
  if (info.imports_module("extism:host/env")) {
    return Abi::Extism;
  }
  if (info.imports_module("http_handler")) {
    return Abi::HttpWasm;
  }
  if (std::any_of(info.exports.begin(), info.exports.end(),
                  [](const Export& item) { return item.name.starts_with("proxy_abi_version_"); })) {
    return Abi::ProxyWasm;
  }
  if (imports("env", "return_result") || imports("wasmedge-bindgen", "return_result") ||
      (info.find_export("allocate") != nullptr && info.find_export("deallocate") != nullptr &&
       exports_pair_function(info))) {
    return Abi::WasmedgeBindgen;
  }
  if (info.find_export("__wbindgen_malloc") != nullptr) {
    return Abi::WasmBindgen;
  }
  if (imports({}, "sock_open")) {
    return Abi::SocketServer;
  }
  return info.find_export("_start") != nullptr ? Abi::Command : Abi::Plain;
}

constexpr std::array kMagic = {std::byte{0}, std::byte{'a'}, std::byte{'s'}, std::byte{'m'}};

Result<bool> read_header(BinaryReader& in) {
  const auto magic = in.take(kMagic.size());
  if (!std::equal(magic.begin(), magic.end(), kMagic.begin(), kMagic.end())) {
    return fail(Reason::Manifest, "it is not WebAssembly: it does not begin with \"\\0asm\"{}",
                !magic.empty() && magic[0] == std::byte{'('} ? "; text must be assembled first (wat2wasm)" : "");
  }
  const std::uint32_t version = in.byte() | static_cast<std::uint32_t>(in.byte()) << 8U;
  const std::uint32_t layer = in.byte() | static_cast<std::uint32_t>(in.byte()) << 8U;
  if (!in.ok() || layer > 1 || version != (layer == 1 ? 0x0DU : 1U)) {
    return fail(Reason::Manifest, "it is WebAssembly of a version that is not known ({}, layer {})", version, layer);
  }
  return layer == 1;
}

}  // namespace

Result<ModuleInfo> inspect(std::span<const std::byte> bytes) {
  BinaryReader in(bytes);
  TRILBY_ASSIGN(const bool component, read_header(in));
  ModuleInfo info;
  ModuleSections core(info);
  while (in.more()) {
    const std::size_t at = in.offset();
    const std::uint8_t id = in.byte();
    BinaryReader body = in.sub(in.u32());
    if (!in.ok()) {
      return fail(Reason::Manifest, "it is truncated: the section at byte {} goes beyond its end", at);
    }
    if (id == 0) {
      custom(body, info);
    } else if (component && (id == 10 || id == 11)) {
      component_externs(body, id == 10, info);
    } else if (!component && !core.section(id, body)) {
      return fail(Reason::Manifest, "section {} is malformed near byte {}", id, body.offset());
    }
  }
  info.abi = component ? Abi::Component : guess(info);
  return info;
}

const Export* ModuleInfo::find_export(std::string_view name) const {
  const auto at = std::find_if(exports.begin(), exports.end(), [&](const Export& item) { return item.name == name; });
  return at == exports.end() ? nullptr : &*at;
}

bool ModuleInfo::imports_module(std::string_view module) const {
  return std::any_of(imports.begin(), imports.end(), [&](const Import& import) { return import.module == module; });
}

std::string_view name(ExternKind kind) {
  switch (kind) {
    case ExternKind::Function:
      return "function";
    case ExternKind::Table:
      return "table";
    case ExternKind::Memory:
      return "memory";
    case ExternKind::Global:
      return "global";
    case ExternKind::Tag:
      return "tag";
    case ExternKind::Other:
      break;
  }
  return "other";
}

std::string_view name(Abi abi) {
  switch (abi) {
    case Abi::Component:
      return "Wasm component";
    case Abi::Extism:
      return "Extism plug-in";
    case Abi::HttpWasm:
      return "http-wasm handler";
    case Abi::ProxyWasm:
      return "proxy-wasm filter";
    case Abi::WasmedgeBindgen:
      return "wasmedge-bindgen module";
    case Abi::WasmBindgen:
      return "wasm-bindgen module";
    case Abi::SocketServer:
      return "WasmEdge socket server";
    case Abi::Command:
      return "WASI command";
    case Abi::Plain:
      break;
  }
  return "plain module";
}

}  // namespace trilby::wasm
