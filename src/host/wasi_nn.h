/// \file  wasi-nn for core modules: inference with the models that the manifest grants.
/// Source: wasi-nn.witx of WebAssembly/wasi-nn (module wasi_ephemeral_nn), and what its users disagree on: the tensor
/// type codes changed in 2023 under the same module name.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string_view>
#include <vector>

#include "inference/model_host.h"
#include "inference/tensor.h"
#include "net/loop.h"
#include "wasm/guest_memory.h"
#include "wasm/prepared.h"

namespace trilby::host {

/// What the functions answer the guest (nn_errno).
enum class NnErrno : std::uint32_t {
  Success = 0,
  InvalidArgument = 1,
  Busy = 4,
  RuntimeError = 5,
  UnsupportedOperation = 6,
  TooLarge = 7,
  NotFound = 8,
};

/// A tensor where the guest keeps it. Valid until the guest runs again.
struct TensorView {
  inference::ElementType type{};
  std::array<std::uint32_t, inference::kMaxRank> shape{};
  std::size_t rank = 0;
  std::span<const std::byte> data;

  [[nodiscard]] std::span<const std::uint32_t> dims() const { return std::span(shape).first(rank); }
};

/// Reads the 20-byte tensor record at `at`: u32 dims pointer, u32 rank, u8 type at 8, u32 data pointer at 12, u32
/// length at 16. Old and new type codes are told apart by the length, which has to be the product of the dimensions
/// times the element's size.
/// \return nothing when anything lies outside of the memory or does not fit together
[[nodiscard]] std::optional<TensorView> decode_tensor(const wasm::GuestMemory& memory, std::uint32_t at);

/// The graphs and contexts of one call. Handles are small numbers and end with the call.
/// Ownership: the Host's; the models outlive it. Threading: loop-bound; destroying it cancels inferences that wait
/// their turn, and nothing of one that runs reaches the loop any more.
class NnSession {
 public:
  struct Context {
    inference::Model* model = nullptr;
    std::vector<std::optional<inference::Tensor>> inputs;
    std::vector<inference::Tensor> outputs;  ///< of the last compute
  };

  explicit NnSession(net::Loop& loop) : gate_(std::make_shared<Gate>(loop)) {}
  ~NnSession();
  NnSession(const NnSession&) = delete;
  NnSession& operator=(const NnSession&) = delete;

  /// How many there may be is for Host::take_handle() to say: the tensors of a context are copies in the host's memory.
  [[nodiscard]] std::uint32_t add_graph(inference::Model& model);
  [[nodiscard]] std::uint32_t add_context(std::uint32_t graph);
  [[nodiscard]] bool has_graph(std::uint32_t graph) const { return graph < graphs_.size(); }
  [[nodiscard]] Context* context(std::uint32_t handle) {
    return handle < contexts_.size() ? &contexts_[handle] : nullptr;
  }

  [[nodiscard]] std::stop_token cancelled() const { return cancel_.get_token(); }
  /// The way from a model's thread back to the loop, which may end before an inference does: posts while the session
  /// lives.
  [[nodiscard]] std::function<void(std::function<void()>)> poster() const;

 private:
  struct Gate {
    explicit Gate(net::Loop& open) : loop(&open) {}
    std::mutex mutex;
    net::Loop* loop;  // guarded; null: the session is gone, and maybe the loop too
  };

  std::shared_ptr<Gate> gate_;
  std::vector<inference::Model*> graphs_;
  std::vector<Context> contexts_;
  std::stop_source cancel_;
};

/// Defines the module's functions; their guests' host object is a Host.
void define_wasi_nn(const wasm::Linker& linker);
/// Whether define_wasi_nn() defines it.
[[nodiscard]] bool wasi_nn_provides(std::string_view name);

}  // namespace trilby::host
