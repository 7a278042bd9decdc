/// \file  What commands need to look at functions and models one by one, and to go on after one that is wrong.
#pragma once

#include <filesystem>
#include <memory>

#include "app/manifest.h"
#include "app/wiring.h"
#include "base/result.h"
#include "wasm/module.h"

namespace trilby::cli {

/// The engines and the cache of compiled modules. Ownership: outlives the functions it prepared.
class Workshop {
 public:
  /// \param cache  empty: the user's cache folder
  static Result<Workshop> open(const app::Manifest& manifest, const std::filesystem::path& cache);

  /// \param models  may be null: then no model is there \return the error with "file:line: " in front
  [[nodiscard]] Result<std::shared_ptr<const invoke::Function>> prepare(const app::Function& function,
                                                                        const inference::ModelHost* models,
                                                                        policy::Environment environment = {}) const;
  [[nodiscard]] const wasm::ArtifactCache& cache() const { return cache_; }

 private:
  Workshop(const app::Manifest& manifest, wasm::Engines engines, wasm::ArtifactCache cache)
      : manifest_(&manifest), engines_(std::move(engines)), cache_(std::move(cache)) {}

  const app::Manifest* manifest_;
  wasm::Engines engines_;
  wasm::ArtifactCache cache_;
};

/// Loads those of the manifest's models that `wanted` says yes to. \return null when there are none; errors with
/// "file:line: "
template <typename Wanted>
[[nodiscard]] Result<std::unique_ptr<inference::ModelHost>> load_models(const app::Manifest& manifest,
                                                                        const Wanted& wanted) {
  std::unique_ptr<inference::ModelHost> host;
  std::vector<inference::ModelSpec> specs;
  for (const app::Model& model : manifest.models) {
    if (wanted(model)) {
      specs.push_back(app::make_model_spec(model));
    }
  }
  if (!specs.empty()) {
    TRILBY_ASSIGN(host, inference::ModelHost::load(specs));
  }
  return host;
}

/// The command that makes a module that is not there: "cd functions && make grayscale"; empty when the manifest names
/// none or the file exists.
[[nodiscard]] std::string build_hint(const app::Function& function);

}  // namespace trilby::cli
