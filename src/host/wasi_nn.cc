#include "host/wasi_nn.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "host/host.h"
#include "policy/policy.h"
#include "wasm/host_function.h"

namespace trilby::host {
namespace {

using wasm::Guest;

constexpr std::uint32_t kMaxNameBytes = 256;

NnSession& session_of(const Guest& guest) {
  Host& host = guest.host<Host>();
  if (!host.nn) {
    host.nn = std::make_unique<NnSession>(guest.loop());
  }
  return *host.nn;
}
constexpr std::uint32_t code(NnErrno error) {
  return static_cast<std::uint32_t>(error);
}

/// Stores a new handle for the guest, if `make` has one left; if not, the call is over.
template <typename Make>
std::uint32_t give_handle(Guest& guest, std::uint32_t at, Make make) {
  if (!guest.memory().slice(at, sizeof(std::uint32_t))) {
    return code(NnErrno::InvalidArgument);
  }
  if (!guest.host<Host>().take_handle()) {
    guest.unwind(Reason::LimitCalls);
    return code(NnErrno::TooLarge);
  }
  return code(guest.memory().store(at, make()) ? NnErrno::Success : NnErrno::InvalidArgument);
}

/// Models come from the manifest; a guest brings none of its own.
std::uint32_t load(Guest& /*guest*/, std::uint32_t /*builders*/, std::uint32_t /*count*/, std::uint32_t /*encoding*/,
                   std::uint32_t /*target*/, std::uint32_t /*graph*/) {
  return code(NnErrno::UnsupportedOperation);
}

std::uint32_t load_by_name(Guest& guest, std::uint32_t name, std::uint32_t length, std::uint32_t graph) {
  const auto text = guest.memory().text(name, length);
  if (!text || length > kMaxNameBytes) {
    return code(NnErrno::InvalidArgument);
  }
  Host& host = guest.host<Host>();
  if (!policy::may_use_model(host.grants, *text)) {
    host.deny(Grant::Model, *text);
    return code(NnErrno::NotFound);
  }
  inference::Model* model = host.models == nullptr ? nullptr : host.models->find(*text);
  if (model == nullptr) {
    return code(NnErrno::NotFound);
  }
  return give_handle(guest, graph, [&] { return session_of(guest).add_graph(*model); });
}

std::uint32_t init_execution_context(Guest& guest, std::uint32_t graph, std::uint32_t context) {
  if (!session_of(guest).has_graph(graph)) {
    return code(NnErrno::InvalidArgument);
  }
  return give_handle(guest, context, [&] { return session_of(guest).add_context(graph); });
}

std::uint32_t set_input(Guest& guest, std::uint32_t handle, std::uint32_t index, std::uint32_t at) {
  NnSession::Context* context = session_of(guest).context(handle);
  const std::optional<TensorView> tensor = decode_tensor(guest.memory(), at);
  if (context == nullptr || !tensor ||
      !context->model->check_input(index, tensor->type, tensor->dims(), tensor->data.size())) {
    return code(NnErrno::InvalidArgument);
  }
  if (!guest.charge(tensor->data.size() / 1024)) {
    return code(NnErrno::RuntimeError);
  }
  const auto dims = tensor->dims();
  context->inputs[index] =
      inference::Tensor{tensor->type, {dims.begin(), dims.end()}, {tensor->data.begin(), tensor->data.end()}};
  return code(NnErrno::Success);
}

/// What a compute works on: copies, so that no thread of the model ever holds what is the guest's. Empty: something is
/// not set.
std::vector<inference::Tensor> inputs_of(Guest& guest, const NnSession::Context& context) {
  std::vector<inference::Tensor> inputs;
  for (const std::optional<inference::Tensor>& input : context.inputs) {
    if (!input || !guest.charge(input->data.size() / 1024)) {
      return {};
    }
    inputs.push_back(*input);
  }
  return inputs;
}

/// The guest waits on its fiber while a thread of the model computes. Inputs stay set, as other hosts keep them.
void compute(Guest& guest, std::uint32_t handle) {
  NnSession& session = session_of(guest);
  NnSession::Context* context = session.context(handle);
  std::vector<inference::Tensor> inputs =
      context == nullptr ? std::vector<inference::Tensor>() : inputs_of(guest, *context);
  if (inputs.empty()) {
    return guest.complete(code(NnErrno::InvalidArgument));
  }
  if (!guest.host<Host>().take_host_call(Clock::now())) {
    return guest.unwind(Reason::LimitCalls);
  }
  guest.wait();
  // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDeleteLeaks): what a std::function holds, which it does not follow
  auto done = [post = session.poster(), ticket = guest.ticket(), handle,
               start = Clock::now()](Result<std::vector<inference::Tensor>> outputs) {
    // The guest may be gone by the time this runs on the loop; then the ticket is void, and so is the result.
    post([ticket, handle, start,
          outputs = std::make_shared<Result<std::vector<inference::Tensor>>>(std::move(outputs))] {
      Guest* waiting = ticket.redeem();
      if (waiting == nullptr) {
        return;
      }
      Host& host = waiting->host<Host>();
      ++host.inferences;
      host.inference += Clock::now() - start;
      if (*outputs) {
        session_of(*waiting).context(handle)->outputs = std::move(**outputs);
      }
      waiting->complete(code(*outputs ? NnErrno::Success : NnErrno::RuntimeError));
    });
  };
  if (const auto queued = context->model->infer(std::move(inputs), session.cancelled(), std::move(done)); !queued) {
    guest.complete(code(queued.error().reason == Reason::Overloaded ? NnErrno::Busy : NnErrno::InvalidArgument));
  }
}

std::uint32_t get_output(Guest& guest, std::uint32_t handle, std::uint32_t index, std::uint32_t buffer,
                         std::uint32_t capacity, std::uint32_t written) {
  NnSession::Context* context = session_of(guest).context(handle);
  if (context == nullptr || index >= context->outputs.size()) {
    return code(NnErrno::InvalidArgument);
  }
  const std::vector<std::byte>& data = context->outputs[index].data;
  if (data.size() > capacity) {
    return code(NnErrno::TooLarge);
  }
  const auto target = guest.memory().slice(buffer, data.size());
  if (!target || !guest.memory().store(written, static_cast<std::uint32_t>(data.size()))) {
    return code(NnErrno::InvalidArgument);
  }
  if (guest.charge(data.size() / 1024)) {
    wasm::GuestMemory::copy(data, *target);
  }
  return code(NnErrno::Success);
}

}  // namespace

NnSession::~NnSession() {
  cancel_.request_stop();
  const std::lock_guard lock(gate_->mutex);
  gate_->loop = nullptr;
}

std::function<void(std::function<void()>)> NnSession::poster() const {
  return [gate = gate_](std::function<void()> work) {
    const std::lock_guard lock(gate->mutex);
    if (gate->loop != nullptr) {
      gate->loop->post(std::move(work));
    }
  };
}

std::uint32_t NnSession::add_graph(inference::Model& model) {
  graphs_.push_back(&model);
  return static_cast<std::uint32_t>(graphs_.size() - 1);
}

std::uint32_t NnSession::add_context(std::uint32_t graph) {
  inference::Model* model = graphs_.at(graph);
  contexts_.push_back({model, std::vector<std::optional<inference::Tensor>>(model->inputs().size()), {}});
  return static_cast<std::uint32_t>(contexts_.size() - 1);
}

void define_wasi_nn(const wasm::Linker& linker) {
  wasm::define<&load>(linker, kNnModule, "load");
  wasm::define<&load_by_name>(linker, kNnModule, "load_by_name");
  wasm::define<&init_execution_context>(linker, kNnModule, "init_execution_context");
  wasm::define<&set_input>(linker, kNnModule, "set_input");
  wasm::define_async<&compute>(linker, kNnModule, "compute");
  wasm::define<&get_output>(linker, kNnModule, "get_output");
}

bool wasi_nn_provides(std::string_view name) {
  static constexpr std::array<std::string_view, 6> kNames = {"load",      "load_by_name", "init_execution_context",
                                                             "set_input", "compute",      "get_output"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

}  // namespace trilby::host
