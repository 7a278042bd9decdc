#include "invoke/function.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

#include "base/log.h"
#include "base/text.h"
#include "host/host.h"
#include "inference/model_host.h"
#include "invoke/command.h"

namespace trilby::invoke {
namespace {

constexpr std::size_t kMaxListed = 3;

/// Why a module of this convention cannot be called; empty when it can.
std::string_view obstacle(wasm::Abi abi) {
  switch (abi) {
    case wasm::Abi::Command:
      return {};
    case wasm::Abi::Component:
      return "Wasm components are not supported yet; build it as a WASI command (wasm32-wasi)";
    case wasm::Abi::WasmBindgen:
    case wasm::Abi::WasmedgeBindgen:
      return "bindgen modules are not supported yet; build it as a WASI command: stdin to stdout";
    case wasm::Abi::Extism:
    case wasm::Abi::HttpWasm:
    case wasm::Abi::ProxyWasm:
      return "that convention is not supported; build it as a WASI command: stdin to stdout";
    case wasm::Abi::SocketServer:
      return "guests that are servers are not supported; Trilby is the server, the function a WASI command";
    case wasm::Abi::Plain:
      break;
  }
  return "it exports no `_start`, so there is nothing to call; build it as a WASI command (an executable, not a "
         "library)";
}

Result<void> check_memory(const wasm::ModuleInfo& info, const policy::Limits& limits) {
  if (info.memory64 || info.shared_memory || info.memories.size() > 1) {
    return fail(Reason::Manifest,
                "it needs {} memory, which is not supported; build it for wasm32 with one memory and no threads",
                info.memory64        ? "64-bit"
                : info.shared_memory ? "shared"
                                     : "more than one");
  }
  if (!info.memories.empty() && info.memories[0].min > limits.memory.count) {
    return fail(Reason::Manifest,
                "it begins with {} of memory and its limit is {}; raise limits.memory to at least that",
                format(Bytes{info.memories[0].min}), format(limits.memory));
  }
  std::uint64_t elements = 0;
  for (const wasm::Extent& table : info.tables) {
    elements += std::min<std::uint64_t>(table.min, policy::kMaxTableElements + 1);
  }
  if (elements > limits.table_elements) {
    return fail(Reason::Manifest,
                "its tables begin with {} elements and its limit is {}; raise limits.table_elements to at least that",
                elements, limits.table_elements);
  }
  return {};
}

/// \return empty for what needs none: an actor's own, and answers
std::string_view dapr_grant_for(std::string_view name) {
  return name == "invoke"                     ? "allow.dapr.invoke"
         : name == "publish"                  ? "allow.dapr.publish"
         : name == "binding"                  ? "allow.dapr.bindings"
         : name == "secret"                   ? "allow.dapr.secrets"
         : name == "actor_invoke"             ? "allow.dapr.actors"
         : name == "configuration_get"        ? "allow.dapr.configuration"
         : name == "lock" || name == "unlock" ? "allow.dapr.locks"
         : name.starts_with("job_")           ? "allow.dapr.jobs"
         : name.starts_with("state_")         ? "allow.dapr.state"
                                              : "";
}

/// Whether it can ask for anything that its manifest has to grant.
bool needs_dapr_grants(const wasm::ModuleInfo& info) {
  return std::any_of(info.imports.begin(), info.imports.end(), [](const wasm::Import& import) {
    return import.module == host::kDaprModule && !dapr_grant_for(import.name).empty();
  });
}

std::string_view grant_for(const wasm::Import& import) {
  if (import.module == host::kNnModule) {
    return "allow.models";
  }
  if (import.module == host::kDaprModule) {
    return dapr_grant_for(import.name);
  }
  return import.name.starts_with("path_") ? "allow.directories" : "";
}

Result<void> check_imports(const wasm::ModuleInfo& info) {
  std::string missing;
  std::size_t count = 0;
  for (const wasm::Import& import : info.imports) {
    const ImportAdvice advice = advise(import);
    if (advice.provided || ++count > kMaxListed) {
      continue;
    }
    missing += fmt::format("{}{}.{}", missing.empty() ? "" : ", ", printable_line(import.module, 100),
                           printable_line(import.name, 100));
    if (!advice.hint.empty()) {
      missing += fmt::format(" ({})", advice.hint);
    }
  }
  if (count > kMaxListed) {
    missing += fmt::format(" and {} more", count - kMaxListed);
  }
  return count == 0 ? Result<void>() : fail(Reason::Manifest, "it imports what nobody provides: {}", missing);
}

Result<void> check_entry(const wasm::ModuleInfo& info) {
  const wasm::Export* entry = info.find_export(kCommandEntry);
  if (entry == nullptr || entry->kind != wasm::ExternKind::Function || entry->type != "() -> ()") {
    return fail(Reason::Manifest, "its `_start` is no function without parameters and results");
  }
  return {};
}

Result<void> check_models(const policy::Grants& grants, const inference::ModelHost* models) {
  for (const std::string& model : grants.models) {
    if (models != nullptr && models->find(model) == nullptr) {
      return fail(Reason::Manifest, "allow.models grants \"{}\", and there is no [model.{}]", model, model);
    }
  }
  return {};
}

/// Each call opens its directories anew. What links lead to when the program starts is what it finds, whoever turns
/// them later.
Result<void> resolve_directories(policy::Grants& grants) {
  for (policy::Directory& directory : grants.directories) {
    std::error_code error;
    const std::filesystem::path real = std::filesystem::canonical(directory.path, error);
    if (error || !std::filesystem::is_directory(real, error)) {
      return fail(Reason::Manifest, "allow.directories gives {} as \"{}\", and that is {}", directory.path,
                  directory.mount, error ? "not there: " + error.message() : "no folder");
    }
    directory.path = real.string();
  }
  return {};
}

Result<wasm::ModuleInfo> examine(const FunctionSpec& spec, std::span<const std::byte> bytes,
                                 const wasm::Engine& engine) {
  TRILBY_CHECK(policy::validate(spec.policy.limits));
  const policy::Limits& limits = spec.policy.limits;
  if (limits.memory > engine.settings().max_memory || limits.stack != engine.settings().stack ||
      limits.table_elements > engine.settings().max_table_elements) {
    return fail(Reason::Internal, "its limits are not those that the engine was made for");
  }
  TRILBY_ASSIGN(wasm::ModuleInfo info, wasm::inspect(bytes));
  if (const std::string_view why = obstacle(info.abi); !why.empty()) {
    return fail(Reason::Manifest, "it is a {}: {}", wasm::name(info.abi), why);
  }
  TRILBY_CHECK(check_entry(info));
  TRILBY_CHECK(check_memory(info, limits));
  TRILBY_CHECK(check_imports(info));
  return info;
}

struct Ready {
  wasm::ModuleInfo info;
  wasm::CompiledModule compiled;
  wasm::Prepared prepared;
};

Result<Ready> make_ready(const FunctionSpec& spec, wasm::Engine& engine, const wasm::ArtifactCache* cache) {
  TRILBY_ASSIGN(const std::vector<std::byte> bytes, wasm::read_module(spec.module.native()));
  TRILBY_ASSIGN(wasm::ModuleInfo info, examine(spec, bytes, engine));
  TRILBY_ASSIGN(wasm::CompiledModule compiled, wasm::compile(engine, bytes, cache));
  wasm::Linker linker(engine);
  host::define_imports(linker, spec.policy.grants);
  TRILBY_ASSIGN(wasm::Prepared prepared, linker.link(spec.name, compiled.module));
  return Ready{std::move(info), std::move(compiled), std::move(prepared)};
}

}  // namespace

Function::Function(FunctionSpec spec, wasm::ModuleInfo info, const wasm::CompiledModule& compiled,
                   wasm::Prepared prepared, const inference::ModelHost* models, std::shared_ptr<Admission> places)
    : spec_(std::move(spec)),
      info_(std::move(info)),
      origin_(compiled.origin),
      compile_time_(compiled.took),
      prepared_(std::move(prepared)),
      models_(models),
      admission_(
          std::make_shared<Admission>(Admission::Limits{limits().concurrency, limits().queue, limits().queue_wait})),
      log_(std::make_unique<GuestLog>(spec_.name, limits())),
      places_(std::move(places)) {}

Result<std::shared_ptr<const Function>> prepare(FunctionSpec spec, wasm::Engine& engine,
                                                const wasm::ArtifactCache* cache, const inference::ModelHost* models,
                                                std::shared_ptr<Admission> places) {
  auto ready = make_ready(spec, engine, cache);
  auto granted = ready ? check_models(spec.policy.grants, models) : Result<void>();
  if (ready && granted) {
    granted = resolve_directories(spec.policy.grants);
  }
  if (!ready || !granted) {
    const Error& error = !ready ? ready.error() : granted.error();
    return fail(error.reason, "function {}: {}: {}", spec.name, spec.module.native(), error.message);
  }
  if (ready->info.imports_module(host::kNnModule) && spec.policy.grants.models.empty()) {
    log::warn("a function uses wasi-nn and is granted no model; allow.models is missing", {{"function", spec.name}});
  }
  if (needs_dapr_grants(ready->info) && spec.policy.grants.dapr.empty()) {
    log::warn("a function uses Dapr and is granted nothing of it; allow.dapr is missing", {{"function", spec.name}});
  }
  return std::shared_ptr<const Function>(new Function(std::move(spec), std::move(ready->info), ready->compiled,
                                                      std::move(ready->prepared), models, std::move(places)));
}

ImportAdvice advise(const wasm::Import& import) {
  if (import.kind == wasm::ExternKind::Function && host::provides(import.module, import.name)) {
    return {.provided = true, .grant = grant_for(import), .hint = {}};
  }
  constexpr std::pair<std::string_view, std::string_view> kHints[] = {
      {"wasi_unstable", "WASI of 2019; build it with a toolchain that targets wasi_snapshot_preview1"},
      {"wasi_snapshot_preview0", "WASI of 2019; build it with a toolchain that targets wasi_snapshot_preview1"},
      {host::kWasiModule, "no function of WASI preview 1"},
      {host::kDaprModule, "only the functions of docs/dapr.md are provided"},
      {host::kNnModule, "only the functions of wasi-nn's core are provided"},
      {"wasi_nn", "WAMR's name for wasi-nn; build it for wasi_ephemeral_nn"},
      {"wasmedge_tensorflow", "a WasmEdge extension, not provided yet; use wasi-nn"},
      {"wasmedge_tensorflowlite", "a WasmEdge extension, not provided yet; use wasi-nn"},
      {"wasmedge_image", "a WasmEdge extension, not provided yet; decode images in the function"},
      {"extism:host/env", "given by Extism hosts only"},
      {"http_handler", "given by http-wasm hosts only"},
      {"env", "a symbol that the linker left open: link the library that defines it"},
      {"wbg", "JavaScript glue of wasm-bindgen; build for wasm32-wasi instead of wasm32-unknown-unknown"},
      {"__wbindgen_placeholder__",
       "JavaScript glue of wasm-bindgen; build for wasm32-wasi instead of wasm32-unknown-unknown"},
      {"go", "JavaScript glue of Go; build with GOOS=wasip1"},
      {"gojs", "JavaScript glue of Go; build with GOOS=wasip1"},
  };
  for (const auto& [module, hint] : kHints) {
    if (import.module == module) {
      return {.provided = false, .grant = {}, .hint = hint};
    }
  }
  return {};
}

}  // namespace trilby::invoke
