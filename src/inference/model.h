/// \file  A loaded model with the threads that run it.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "inference/backend.h"
#include "inference/tensor.h"

namespace trilby::inference {

/// Weights that all instances share, behind a bounded first-in, first-out queue and one thread for each stream.
/// Ownership: ModelHost's. Threading: every function may be called on any thread.
/// Memory: at most (streams + queue) times the size of its inputs waits or runs.
class Model final {
 public:
  /// What became of an inference: the outputs, in the model's order; Reason::Cancelled; Reason::Draining when the model
  /// was destroyed before its turn came; or Reason::Internal when the inference itself failed.
  using Done = std::function<void(Result<std::vector<Tensor>>)>;

  /// Starts a thread for each runner. \return Reason::Internal when there are none to be had
  static Result<std::unique_ptr<Model>> start(const ModelSpec& spec, LoadedModel loaded);

  /// Answers waiting inferences with Reason::Draining, on this thread, and lets running ones end; returns after the
  /// last `done` has. Nobody may call infer() any more.
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  [[nodiscard]] const std::string& name() const { return spec_.name; }
  [[nodiscard]] const std::vector<TensorInfo>& inputs() const { return loaded_.inputs; }
  [[nodiscard]] const std::vector<TensorInfo>& outputs() const { return loaded_.outputs; }

  /// Whether a tensor described by untrusted numbers may become input `index`, to be asked before its bytes are copied.
  /// \return Reason::BadInput, also when there is no such input
  [[nodiscard]] Result<void> check_input(std::size_t index, ElementType type, std::span<const std::uint32_t> dims,
                                         std::uint64_t bytes) const;

  /// Queues one inference and returns at once. `inputs` holds one tensor for each of the model's inputs, in its order.
  /// `done` is called exactly once, on a thread of this model or in its destructor, without locks held; it must not
  /// throw or block, so it usually posts to a loop, and it is all that is kept of the caller's. An inference that is
  /// cancelled before its turn does not run; one that runs goes on to its end.
  /// \return Reason::BadInput or Reason::Overloaded, and then `done` is never called
  [[nodiscard]] Result<void> infer(std::vector<Tensor> inputs, std::stop_token cancelled, Done done);

 private:
  struct Job {
    std::vector<Tensor> inputs;
    std::stop_token cancelled;
    Done done;
  };

  Model(const ModelSpec& spec, LoadedModel loaded);
  void work(Runner& runner);

  const ModelSpec spec_;
  const LoadedModel loaded_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Job> queue_;        // guarded by mutex_, as what follows
  std::size_t outstanding_ = 0;  // queued and running
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace trilby::inference
