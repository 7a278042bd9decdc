/// \file  All models of a process.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "inference/backend.h"
#include "inference/model.h"

namespace trilby::inference {

/// Loads each model once and keeps it until the process drains.
/// Threading: load() and the destructor belong to one thread; find() and the models may be used on all.
class ModelHost final {
 public:
  /// Loads OpenVINO, unless `specs` is empty, and then the models, one after the other; blocks for as long as this
  /// takes.
  /// \return Reason::Manifest for the first model that cannot be loaded or whose name was seen before
  static Result<std::unique_ptr<ModelHost>> load(std::span<const ModelSpec> specs);
  /// The same on another backend, which has to outlive the host.
  static Result<std::unique_ptr<ModelHost>> load(std::span<const ModelSpec> specs, Backend& backend);

  /// \return null when the manifest names no such model; otherwise valid as long as the host
  [[nodiscard]] Model* find(std::string_view name) const;

 private:
  ModelHost() = default;

  std::map<std::string, std::unique_ptr<Model>, std::less<>> models_;
};

}  // namespace trilby::inference
