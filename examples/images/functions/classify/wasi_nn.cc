#include "classify/wasi_nn.h"

#include <array>
#include <string>

namespace wasi_nn {
namespace {

// The types of the ABI; pointers are 32 bits wide in a guest.
using Errno = std::uint32_t;
using Graph = std::uint32_t;
using Context = std::uint32_t;

struct Tensor {
  const std::uint32_t* dimensions;
  std::uint32_t dimension_count;
  std::uint8_t type;
  const void* data;
  std::uint32_t size;  // in bytes
};
static_assert(sizeof(Tensor) == 20);
constexpr std::uint8_t kFloat32 = 1;

#define WASI_NN(name) __attribute__((import_module("wasi_ephemeral_nn"), import_name(name)))
extern "C" {
WASI_NN("load_by_name") Errno wasi_nn_load_by_name(const char* name, std::uint32_t size, Graph* graph);
WASI_NN("init_execution_context") Errno wasi_nn_init_execution_context(Graph graph, Context* context);
WASI_NN("set_input") Errno wasi_nn_set_input(Context context, std::uint32_t index, const Tensor* tensor);
WASI_NN("compute") Errno wasi_nn_compute(Context context);
WASI_NN("get_output")
Errno wasi_nn_get_output(Context context, std::uint32_t index, void* to, std::uint32_t size, std::uint32_t* written);
}
#undef WASI_NN

std::string name_of(Errno error) {
  constexpr std::array<const char*, 9> kNames = {
      "success",       "invalid argument",      "invalid encoding", "missing memory", "busy",
      "runtime error", "unsupported operation", "too large",        "not found",
  };
  return error < kNames.size() ? kNames[error] : "error " + std::to_string(error);
}

}  // namespace

image::Result<image::Done> infer(std::string_view name, std::span<const std::uint32_t> dimensions,
                                 std::span<const float> input, std::span<float> output) {
  const auto failed = [name](const char* step, Errno error) {
    return image::Refusal{"the model \"" + std::string(name) + "\" cannot be " + step + ": " + name_of(error)};
  };
  Graph graph = 0;
  if (const Errno error = wasi_nn_load_by_name(name.data(), name.size(), &graph); error != 0) {
    return failed("loaded", error);
  }
  Context context = 0;
  if (const Errno error = wasi_nn_init_execution_context(graph, &context); error != 0) {
    return failed("prepared", error);
  }
  const Tensor tensor = {.dimensions = dimensions.data(),
                         .dimension_count = dimensions.size(),
                         .type = kFloat32,
                         .data = input.data(),
                         .size = input.size_bytes()};
  if (const Errno error = wasi_nn_set_input(context, 0, &tensor); error != 0) {
    return failed("given its input", error);
  }
  if (const Errno error = wasi_nn_compute(context); error != 0) {
    return failed("run", error);
  }
  std::uint32_t written = 0;
  if (const Errno error = wasi_nn_get_output(context, 0, output.data(), output.size_bytes(), &written); error != 0) {
    return failed("read", error);
  }
  if (written != output.size_bytes()) {
    return image::Refusal{"the model \"" + std::string(name) + "\" gave " + std::to_string(written) + " bytes, not " +
                          std::to_string(output.size_bytes())};
  }
  return image::Done{};
}

}  // namespace wasi_nn
