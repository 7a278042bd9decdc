#include "inference/model.h"

#include <system_error>
#include <utility>

#include <pthread.h>

namespace trilby::inference {

Result<std::unique_ptr<Model>> Model::start(const ModelSpec& spec, LoadedModel loaded) {
  std::unique_ptr<Model> model(new Model(spec, std::move(loaded)));
  try {
    for (const auto& runner : model->loaded_.runners) {
      model->threads_.emplace_back(&Model::work, model.get(), std::ref(*runner));
    }
  } catch (const std::system_error& error) {
    return fail(Reason::Internal, "model {}: cannot start a thread: {}", spec.name, error.what());
  }
  return model;
}

Model::Model(const ModelSpec& spec, LoadedModel loaded) : spec_(spec), loaded_(std::move(loaded)) {}

Model::~Model() {
  std::deque<Job> waiting;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    waiting.swap(queue_);
  }
  ready_.notify_all();
  for (Job& job : waiting) {
    job.done(fail(Reason::Draining, "model {} is being unloaded", name()));
  }
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

Result<void> Model::check_input(std::size_t index, ElementType type, std::span<const std::uint32_t> dims,
                                std::uint64_t bytes) const {
  if (index >= inputs().size()) {
    return fail(Reason::BadInput, "model {} has {} inputs and no input {}", name(), inputs().size(), index);
  }
  return check(inputs()[index], type, dims, bytes);
}

Result<void> Model::infer(std::vector<Tensor> inputs, std::stop_token cancelled, Done done) {
  if (inputs.size() != loaded_.inputs.size()) {
    return fail(Reason::BadInput, "model {} has {} inputs and {} were given", name(), loaded_.inputs.size(),
                inputs.size());
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    TRILBY_CHECK(check_input(i, inputs[i].type, inputs[i].dims, inputs[i].data.size()));
  }
  {
    const std::lock_guard lock(mutex_);
    if (outstanding_ >= std::size_t{spec_.streams} + spec_.queue) {
      return fail(Reason::Overloaded, "model {}: {} inferences are running or waiting already", name(), outstanding_);
    }
    ++outstanding_;
    queue_.push_back({std::move(inputs), std::move(cancelled), std::move(done)});
  }
  ready_.notify_one();
  return {};
}

void Model::work(Runner& runner) {
  pthread_setname_np(pthread_self(), ("model:" + name()).substr(0, 15).c_str());
  std::unique_lock lock(mutex_);
  for (;;) {
    ready_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) {
      return;
    }
    Job job = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();

    Result<std::vector<Tensor>> outputs = fail(Reason::Cancelled, "the caller of model {} went away", name());
    if (!job.cancelled.stop_requested()) {
      outputs = runner.run(job.inputs);
    }
    job.inputs.clear();

    // Counted off first, so that whoever `done` wakes finds the place free.
    lock.lock();
    --outstanding_;
    lock.unlock();
    job.done(std::move(outputs));
    job = {};  // whatever `done` holds is let go outside the lock too
    lock.lock();
  }
}

}  // namespace trilby::inference
