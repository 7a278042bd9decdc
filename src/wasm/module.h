/// \file  Compiled modules.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/result.h"
#include "base/units.h"
#include "wasm/engine.h"

struct wasmtime_module;

namespace trilby::wasm {

/// Native code of one module. Ownership: shared, immutable. Threading: any.
class Module {
 public:
  explicit Module(wasmtime_module* raw) : raw_(raw) {}
  ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
  [[nodiscard]] const wasmtime_module* raw() const { return raw_; }

 private:
  wasmtime_module* raw_;
};

class ArtifactCache;

enum class Origin : std::uint8_t {
  Cache,     ///< loaded from the cache
  Compiled,  ///< compiled now
  Rebuilt,   ///< compiled now, because its entry in the cache was refused
};

struct CompiledModule {
  std::shared_ptr<const Module> module;
  Origin origin{};
  Duration took{};
};

/// Takes the code from `cache` (may be null) or compiles it and keeps it there. Blocks for up to some seconds a
/// megabyte; the compiler uses all cores. Never call it on a loop.
/// \return Reason::Manifest when the bytes are no module this engine can run, with the engine's words
[[nodiscard]] Result<CompiledModule> compile(const Engine& engine, std::span<const std::byte> bytes,
                                             const ArtifactCache* cache);

}  // namespace trilby::wasm
