/// \file  From the manifest to what runs: engine, models and functions, loaded once per process.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "app/manifest.h"
#include "base/result.h"
#include "inference/model_host.h"
#include "invoke/admission.h"
#include "invoke/function.h"
#include "wasm/engine.h"

namespace trilby::app {

/// Without its environment, which is made of more than the manifest (environment.h).
[[nodiscard]] invoke::FunctionSpec make_function_spec(const Function& function);
[[nodiscard]] inference::ModelSpec make_model_spec(const Model& model);
/// An engine for each size of stack that the functions have, at least one. It has room for the memory and the tables of
/// each of its functions, and for all calls that their limits allow at once. If that is more than wasm::kMaxLiveCalls
/// over all engines, each gets its share, and calls that find no place wait for one as they do for a slot.
[[nodiscard]] std::vector<wasm::EngineSettings> make_engine_settings(const Manifest& manifest);

/// The places of each engine, for Function::places(). Threading: any; immutable.
class Pools {
 public:
  explicit Pools(const Manifest& manifest);
  /// \return null when the engine for `stack` has a place for every call that may come
  [[nodiscard]] std::shared_ptr<invoke::Admission> places(Bytes stack) const;

 private:
  std::map<Bytes, std::shared_ptr<invoke::Admission>> scarce_;
};

/// "trilby.toml:12: " in front of a message about something that the manifest names.
[[nodiscard]] Error located(const Manifest& manifest, Source source, Error error);

/// The engines with all that is loaded into them. Threading: load() and the destructor belong to one thread; the rest
/// is immutable. Ownership: outlives the calls of its functions.
class Runtime {
 public:
  /// \param aot_cache  empty: the user's cache folder
  /// Reads secrets, loads models, then functions (several at once), with a line in the log for each. Blocks: minutes
  /// for a large module that is not in the cache yet. \return Reason::Manifest for the first, in the manifest's order,
  /// that cannot be loaded
  static Result<std::unique_ptr<Runtime>> load(const Manifest& manifest, const std::filesystem::path& aot_cache);

  /// \return null when the manifest has no such function
  [[nodiscard]] std::shared_ptr<const invoke::Function> function(std::string_view name) const;

 private:
  Runtime() = default;

  std::optional<wasm::Engines> engines_;
  std::unique_ptr<inference::ModelHost> models_;  // may be null
  std::vector<std::shared_ptr<const invoke::Function>> functions_;
};

}  // namespace trilby::app
