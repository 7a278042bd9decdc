// check() against a model of itself in 128-bit arithmetic that cannot overflow at this rank.
#include <cstdlib>
#include <cstring>

#include "inference/tensor.h"

using namespace trilby::inference;

namespace {

std::optional<std::uint64_t> reference_size(ElementType type, const std::vector<std::uint32_t>& dims) {
  __extension__ using Wide = unsigned __int128;
  constexpr Wide kLimit = Wide{1} << 64U;
  Wide size = element_size(type);
  bool over = dims.size() > kMaxRank;
  for (const std::uint32_t dim : dims) {
    over = over || dim == 0 || size * dim >= kLimit;
    size = over ? 1 : size * dim;
  }
  return over ? std::nullopt : std::optional(static_cast<std::uint64_t>(size));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 9) {
    return 0;
  }
  const auto type = static_cast<ElementType>(data[0] % 6);
  std::uint64_t bytes = 0;
  std::memcpy(&bytes, data + 1, sizeof bytes);
  std::vector<std::uint32_t> dims((size - 9) / 4);
  if (!dims.empty()) {
    std::memcpy(dims.data(), data + 9, dims.size() * 4);
  }
  const std::optional<std::uint64_t> expected = reference_size(type, dims);
  const TensorInfo same{.name = "same", .type = type, .dims = dims};
  const TensorInfo other{.name = "other", .type = type, .dims = {1, 2, 3}};
  if (byte_size(type, dims) != expected || check(same, type, dims, bytes).has_value() != (expected == bytes) ||
      (expected && !check(same, type, dims, *expected)) ||
      check(other, type, dims, bytes).has_value() != (dims == other.dims && expected == bytes)) {
    std::abort();
  }
  return 0;
}
