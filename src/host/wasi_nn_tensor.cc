#include <cstring>

#include "host/wasi_nn.h"

namespace trilby::host {
namespace {

using inference::ElementType;

/// The type that `code` means for a tensor of `elements` elements and `bytes` bytes. Codes up to wasi-nn 0.5: u8 2, i32
/// 3; from 0.6: f64 2, u8 3, i32 4, i64 5.
std::optional<ElementType> element_type(std::uint8_t code, std::uint64_t elements, std::uint64_t bytes) {
  constexpr std::array<std::array<std::optional<ElementType>, 2>, 6> kMeanings = {{
      {ElementType::F16, std::nullopt},
      {ElementType::F32, std::nullopt},
      {ElementType::U8, ElementType::F64},
      {ElementType::U8, ElementType::I32},
      {ElementType::I32, std::nullopt},
      {ElementType::I64, std::nullopt},
  }};
  if (code >= kMeanings.size() || elements == 0 || bytes % elements != 0) {
    return std::nullopt;
  }
  for (const auto& meaning : kMeanings.at(code)) {
    if (meaning && bytes / elements == inference::element_size(*meaning)) {
      return meaning;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<TensorView> decode_tensor(const wasm::GuestMemory& memory, std::uint32_t at) {
  struct Record {
    std::uint32_t dims;
    std::uint32_t rank;
    std::uint8_t type;
    std::array<std::uint8_t, 3> padding;
    std::uint32_t data;
    std::uint32_t length;
  };
  static_assert(sizeof(Record) == 20);
  const std::optional<Record> record = memory.load<Record>(at);
  if (!record || record->rank > inference::kMaxRank) {
    return std::nullopt;
  }
  const auto dims = memory.slice(record->dims, std::uint64_t{record->rank} * sizeof(std::uint32_t));
  const auto data = memory.slice(record->data, record->length);
  if (!dims || !data) {
    return std::nullopt;
  }
  TensorView tensor;
  tensor.rank = record->rank;
  if (tensor.rank > 0) {
    std::memcpy(tensor.shape.data(), dims->data(), dims->size());
  }
  // With one byte an element, the size in bytes is the number of elements.
  const auto elements = inference::byte_size(ElementType::U8, tensor.dims());
  const auto type = elements ? element_type(record->type, *elements, record->length) : std::nullopt;
  if (!type) {
    return std::nullopt;
  }
  tensor.type = *type;
  tensor.data = *data;
  return tensor;
}

}  // namespace trilby::host
