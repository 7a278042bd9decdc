#include "wasm/module.h"

#include <string>

#include "wasm/artifact_cache.h"
#include "wasm/c_api.h"
#include "wasm/prepared.h"

namespace trilby::wasm {

Module::~Module() {
  wasmtime_module_delete(raw_);
}

Result<CompiledModule> compile(const Engine& engine, std::span<const std::byte> bytes, const ArtifactCache* cache) {
  const auto started = Clock::now();
  bool refused = false;
  std::string key;
  if (cache != nullptr) {
    key = artifact_key(engine, bytes);
    auto entry = cache->load(engine, key);
    if (entry.module) {
      return CompiledModule{std::move(entry.module), Origin::Cache, Clock::now() - started};
    }
    refused = entry.refused;
  }
  wasmtime_module_t* raw = nullptr;
  const ErrorPtr error(
      wasmtime_module_new(engine.raw(), reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), &raw));
  if (error) {
    return fail(Reason::Manifest, "the engine refuses it: {}", printable_line(message_of(*error), kMaxMessage));
  }
  auto module = std::make_shared<const Module>(raw);
  if (cache != nullptr) {
    cache->store(key, *module);
  }
  return CompiledModule{std::move(module), refused ? Origin::Rebuilt : Origin::Compiled, Clock::now() - started};
}

void Prepared::Delete::operator()(wasmtime_instance_pre* raw) const {
  wasmtime_instance_pre_delete(raw);
}
void Linker::Delete::operator()(wasmtime_linker* raw) const {
  wasmtime_linker_delete(raw);
}

Linker::Linker(Engine& engine) : engine_(engine), raw_(wasmtime_linker_new(engine.raw())) {}

Result<Prepared> Linker::link(std::string name, std::shared_ptr<const Module> module) const {
  wasmtime_instance_pre_t* pre = nullptr;
  const ErrorPtr error(wasmtime_linker_instantiate_pre(raw_.get(), module->raw(), &pre));
  if (error) {
    return fail(Reason::Manifest, "it cannot be linked: {}", printable_line(message_of(*error), kMaxMessage));
  }
  return Prepared(engine_, std::move(name), std::move(module), pre, setup_);
}

}  // namespace trilby::wasm
