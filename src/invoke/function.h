/// \file  Functions, ready to be called.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "invoke/admission.h"
#include "invoke/guest_log.h"
#include "invoke/invoker.h"
#include "wasm/artifact_cache.h"
#include "wasm/engine.h"
#include "wasm/inspect.h"
#include "wasm/module.h"
#include "wasm/prepared.h"

namespace trilby::inference {
class ModelHost;
}

namespace trilby::invoke {

/// A function ready to be called: compiled, linked, its policy in force. Immutable, but for the admission and the log
/// of its calls. Threading: shared by all loops. Ownership: shared_ptr; outlives its calls. The engine and the models
/// outlive it.
class Function {
 public:
  [[nodiscard]] const FunctionSpec& spec() const { return spec_; }
  [[nodiscard]] const std::string& name() const { return spec_.name; }
  [[nodiscard]] const policy::Limits& limits() const { return spec_.policy.limits; }
  [[nodiscard]] const wasm::ModuleInfo& info() const { return info_; }
  [[nodiscard]] wasm::Origin origin() const { return origin_; }          ///< whether its code came from the cache
  [[nodiscard]] Duration compile_time() const { return compile_time_; }  ///< or time to load it
  [[nodiscard]] Admission& admission() const { return *admission_; }
  [[nodiscard]] GuestLog& log() const { return *log_; }
  /// The places of the engine's pool, shared with other functions; null when there are enough for all.
  [[nodiscard]] Admission* places() const { return places_.get(); }
  [[nodiscard]] const wasm::Prepared& prepared() const { return prepared_; }
  [[nodiscard]] const inference::ModelHost* models() const { return models_; }

 private:
  friend Result<std::shared_ptr<const Function>> prepare(FunctionSpec, wasm::Engine&, const wasm::ArtifactCache*,
                                                         const inference::ModelHost*, std::shared_ptr<Admission>);
  Function(FunctionSpec spec, wasm::ModuleInfo info, const wasm::CompiledModule& compiled, wasm::Prepared prepared,
           const inference::ModelHost* models, std::shared_ptr<Admission> places);

  FunctionSpec spec_;
  wasm::ModuleInfo info_;
  wasm::Origin origin_;
  Duration compile_time_;
  wasm::Prepared prepared_;
  const inference::ModelHost* models_;
  std::shared_ptr<Admission> admission_;
  std::unique_ptr<GuestLog> log_;
  std::shared_ptr<Admission> places_;
};

/// Reads, compiles (or takes from `cache`, which may be null) and links a module, and checks it against its policy, so
/// that what can be known before the first call is said before it. Blocks like wasm::compile; may run on several
/// threads at once. `models` may be null: then no model is there, whatever is granted (for `check` and `compile`).
/// `places`: Function::places(). `engine` is the one for its stack.
/// \return Reason::Manifest with "function NAME: what is wrong; what mends it"
[[nodiscard]] Result<std::shared_ptr<const Function>> prepare(FunctionSpec spec, wasm::Engine& engine,
                                                              const wasm::ArtifactCache* cache,
                                                              const inference::ModelHost* models,
                                                              std::shared_ptr<Admission> places = nullptr);

/// What an import is, as `trilby inspect` and prepare() say it.
struct ImportAdvice {
  bool provided = false;   ///< by Trilby, to every function or to one with `grant`
  std::string_view grant;  ///< the manifest field that makes it useful ("allow.models"), or empty
  std::string_view hint;   ///< for an import nobody provides: who does, or what to do; may be empty
};
[[nodiscard]] ImportAdvice advise(const wasm::Import& import);

}  // namespace trilby::invoke
