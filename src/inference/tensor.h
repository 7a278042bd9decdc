/// \file  Tensors as guests and models exchange them: dense, row-major, little-endian, in memory of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace trilby::inference {

/// The element types of wasi-nn (tensor-type in wasi-nn.witx, 2024), in its order.
enum class ElementType : std::uint8_t { F16, F32, F64, U8, I32, I64 };

/// Bytes of one element.
[[nodiscard]] constexpr std::size_t element_size(ElementType type) {
  switch (type) {
    case ElementType::U8:
      return 1;
    case ElementType::F16:
      return 2;
    case ElementType::F32:
    case ElementType::I32:
      return 4;
    case ElementType::F64:
    case ElementType::I64:
      return 8;
  }
  return 0;
}

[[nodiscard]] std::string_view name(ElementType type);

/// More dimensions than any model here has; a shape with more is refused before it is read.
inline constexpr std::size_t kMaxRank = 8;

/// An input or output of a model. Shapes never vary: docs/decisions/0004-inference-openvino.md.
struct TensorInfo {
  std::string name;  ///< empty when the model does not name it
  ElementType type{};
  std::vector<std::uint32_t> dims;  ///< at most kMaxRank, each >= 1
};

struct Tensor {
  ElementType type{};
  std::vector<std::uint32_t> dims;
  std::vector<std::byte> data;  ///< exactly byte_size(type, dims) bytes
};

/// \return nothing for more than kMaxRank dimensions, a dimension of 0, or a product over 64 bits
[[nodiscard]] std::optional<std::uint64_t> byte_size(ElementType type, std::span<const std::uint32_t> dims);

/// Whether a tensor of `bytes` bytes is what a model's input takes: its type, its shape, and as many bytes as these
/// say. All numbers may come from a guest. \return Reason::BadInput with the difference in words
[[nodiscard]] Result<void> check(const TensorInfo& info, ElementType type, std::span<const std::uint32_t> dims,
                                 std::uint64_t bytes);

}  // namespace trilby::inference
