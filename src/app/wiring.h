/// \file  From the manifest to what runs: engine, models and functions, loaded once per process.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "app/manifest.h"
#include "base/result.h"
#include "inference/model_host.h"
#include "invoke/function.h"
#include "wasm/engine.h"

namespace trilby::app {

/// Without its environment, which is made of more than the manifest (environment.h).
[[nodiscard]] invoke::FunctionSpec make_function_spec(const Function& function);
[[nodiscard]] inference::ModelSpec make_model_spec(const Model& model);
/// Room for every function's memory and for all calls that their limits allow at once.
[[nodiscard]] wasm::EngineSettings make_engine_settings(const Manifest& manifest);

/// "trilby.toml:12: " in front of a message about something that the manifest names.
[[nodiscard]] Error located(const Manifest& manifest, Source source, Error error);

/// The engine with all that is loaded into it. Threading: load() and the destructor belong to one thread; the rest is
/// immutable. Ownership: outlives the calls of its functions.
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

  std::unique_ptr<wasm::Engine> engine_;
  std::unique_ptr<inference::ModelHost> models_;  // may be null
  std::vector<std::shared_ptr<const invoke::Function>> functions_;
};

}  // namespace trilby::app
