/// \file  What runs models: one interface, implemented by OpenVINO and by the tests' stand-in.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "inference/tensor.h"

namespace trilby::inference {

inline constexpr unsigned kMaxThreads = 64;
inline constexpr unsigned kMaxQueue = 4096;
inline constexpr std::uint64_t kMaxTensorBytes = 1U << 30U;

/// A model as the manifest names it.
struct ModelSpec {
  std::string name;                            ///< the grant's word for it
  std::filesystem::path path;                  ///< OpenVINO IR of fixed shapes: .xml, its .bin beside it
  unsigned threads = 1;                        ///< that one inference uses, 1..kMaxThreads
  unsigned streams = 1;                        ///< inferences at the same time; threads x streams <= kMaxThreads
  unsigned queue = 64;                         ///< inferences that may wait, 0..kMaxQueue
  std::uint64_t max_tensor_bytes = 1U << 24U;  ///< of each input and each output, up to kMaxTensorBytes
};

/// Runs one inference at a time, on whichever thread.
class Runner {
 public:
  virtual ~Runner() = default;
  /// `inputs` fit the model's. Nothing of one run is visible to the next. \return the outputs in the model's order
  [[nodiscard]] virtual Result<std::vector<Tensor>> run(const std::vector<Tensor>& inputs) = 0;
};

struct LoadedModel {
  std::vector<TensorInfo> inputs;
  std::vector<TensorInfo> outputs;
  std::vector<std::unique_ptr<Runner>> runners;  ///< one for each stream; they share the weights
};

/// Neither its functions nor its runners' throw.
class Backend {
 public:
  virtual ~Backend() = default;
  /// Blocks for as long as reading and compiling the model takes. \return Reason::Manifest, naming the path and the
  /// cause
  [[nodiscard]] virtual Result<LoadedModel> load(const ModelSpec& spec) = 0;
};

/// OpenVINO, brought into the process by the first call and never unloaded. Not to be called from two threads at once.
/// Ownership: the process's. \return Reason::Manifest when it is not installed, with the cause
[[nodiscard]] Result<Backend*> openvino();

/// The one symbol of libtrilby_openvino.so.
using BackendFunction = Backend*();
inline constexpr const char* kBackendSymbol = "trilby_inference_backend";

}  // namespace trilby::inference
