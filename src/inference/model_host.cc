#include "inference/model_host.h"

#include <utility>

namespace trilby::inference {
namespace {

Result<void> check_numbers(const ModelSpec& spec) {
  if (spec.threads < 1 || spec.threads > kMaxThreads || spec.streams < 1 || spec.streams > kMaxThreads ||
      spec.threads * spec.streams > kMaxThreads) {
    return fail(Reason::Manifest, "model {}: {} threads x {} streams; both are at least 1 and their product at most {}",
                spec.name, spec.threads, spec.streams, kMaxThreads);
  }
  if (spec.queue > kMaxQueue) {
    return fail(Reason::Manifest, "model {}: a queue of {}; at most {} inferences can wait", spec.name, spec.queue,
                kMaxQueue);
  }
  if (spec.max_tensor_bytes > kMaxTensorBytes) {
    return fail(Reason::Manifest, "model {}: tensors of {} bytes; at most {} can be had", spec.name,
                spec.max_tensor_bytes, kMaxTensorBytes);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<ModelHost>> ModelHost::load(std::span<const ModelSpec> specs) {
  if (specs.empty()) {
    return std::unique_ptr<ModelHost>(new ModelHost());
  }
  TRILBY_ASSIGN(Backend* const backend, openvino());
  return load(specs, *backend);
}

Result<std::unique_ptr<ModelHost>> ModelHost::load(std::span<const ModelSpec> specs, Backend& backend) {
  std::unique_ptr<ModelHost> host(new ModelHost());
  for (const ModelSpec& spec : specs) {
    if (host->models_.contains(spec.name)) {
      return fail(Reason::Manifest, "model {} is named twice", spec.name);
    }
    TRILBY_CHECK(check_numbers(spec));
    TRILBY_ASSIGN(LoadedModel loaded, backend.load(spec));
    TRILBY_ASSIGN(std::unique_ptr<Model> model, Model::start(spec, std::move(loaded)));
    host->models_.emplace(spec.name, std::move(model));
  }
  return host;
}

Model* ModelHost::find(std::string_view name) const {
  const auto found = models_.find(name);
  return found == models_.end() ? nullptr : found->second.get();
}

}  // namespace trilby::inference
