#include "inference/tensor.h"

#include <algorithm>

#include <fmt/ranges.h>

namespace trilby::inference {

std::string_view name(ElementType type) {
  switch (type) {
    case ElementType::F16:
      return "f16";
    case ElementType::F32:
      return "f32";
    case ElementType::F64:
      return "f64";
    case ElementType::U8:
      return "u8";
    case ElementType::I32:
      return "i32";
    case ElementType::I64:
      return "i64";
  }
  return "?";
}

std::optional<std::uint64_t> byte_size(ElementType type, std::span<const std::uint32_t> dims) {
  if (dims.size() > kMaxRank) {
    return std::nullopt;
  }
  std::uint64_t bytes = element_size(type);
  for (const std::uint32_t dim : dims) {
    if (dim == 0 || __builtin_mul_overflow(bytes, std::uint64_t{dim}, &bytes)) {
      return std::nullopt;
    }
  }
  return bytes;
}

Result<void> check(const TensorInfo& info, ElementType type, std::span<const std::uint32_t> dims, std::uint64_t bytes) {
  if (dims.size() > kMaxRank) {
    return fail(Reason::BadInput, "input {}: {} dimensions, and at most {} can be had", info.name, dims.size(),
                kMaxRank);
  }
  if (type != info.type || !std::ranges::equal(dims, info.dims)) {
    return fail(Reason::BadInput, "input {} is {} {} and not {} {}", info.name, name(info.type), info.dims, name(type),
                dims);
  }
  const std::optional<std::uint64_t> size = byte_size(type, dims);
  if (size != bytes) {
    return fail(Reason::BadInput, "input {}: {} {} takes {} bytes and {} were given", info.name, name(type), dims,
                size.value_or(0), bytes);
  }
  return {};
}

}  // namespace trilby::inference
