#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "host/wasi_nn.h"

namespace trilby::host {
namespace {

using inference::ElementType;

/// A guest's memory with a tensor record at 0, its dimensions at 32 and its data at 64.
class TensorInMemory {
 public:
  TensorInMemory(std::vector<std::uint32_t> dims, std::uint8_t type, std::uint32_t length) : bytes_(128) {
    put(0, 32);
    put(4, static_cast<std::uint32_t>(dims.size()));
    bytes_[8] = std::byte{type};
    bytes_[9] = bytes_[10] = bytes_[11] = std::byte{0xAA};  // padding may hold anything
    put(12, 64);
    put(16, length);
    for (std::size_t i = 0; i < dims.size(); ++i) {
      put(32 + 4 * i, dims[i]);
    }
  }
  void put(std::size_t at, std::uint32_t value) { std::memcpy(&bytes_.at(at), &value, sizeof value); }
  std::optional<TensorView> decode(std::uint32_t at = 0) { return decode_tensor(wasm::GuestMemory(bytes_), at); }

 private:
  std::vector<std::byte> bytes_;
};

TEST(DecodeTensor, ReadsShapeTypeAndData) {
  const auto tensor = TensorInMemory({1, 2, 3}, 1, 24).decode();
  ASSERT_TRUE(tensor);
  EXPECT_EQ(tensor->type, ElementType::F32);
  EXPECT_EQ(std::vector<std::uint32_t>(tensor->dims().begin(), tensor->dims().end()),
            (std::vector<std::uint32_t>{1, 2, 3}));
  EXPECT_EQ(tensor->data.size(), 24U);
}

TEST(DecodeTensor, TellsOldAndNewTypeCodesApartByLength) {
  EXPECT_EQ(TensorInMemory({4}, 2, 4).decode()->type, ElementType::U8);    // old
  EXPECT_EQ(TensorInMemory({4}, 2, 32).decode()->type, ElementType::F64);  // new
  EXPECT_EQ(TensorInMemory({4}, 3, 16).decode()->type, ElementType::I32);  // old
  EXPECT_EQ(TensorInMemory({4}, 3, 4).decode()->type, ElementType::U8);    // new
  EXPECT_EQ(TensorInMemory({4}, 4, 16).decode()->type, ElementType::I32);
  EXPECT_EQ(TensorInMemory({4}, 5, 32).decode()->type, ElementType::I64);
  EXPECT_EQ(TensorInMemory({4}, 0, 8).decode()->type, ElementType::F16);
}

TEST(DecodeTensor, RefusesALengthThatIsNotTheShapes) {
  EXPECT_FALSE(TensorInMemory({4}, 1, 15).decode());
  EXPECT_FALSE(TensorInMemory({4}, 1, 0).decode());
  EXPECT_FALSE(TensorInMemory({4}, 2, 16).decode());
}

TEST(DecodeTensor, RefusesUnknownTypesEmptyDimensionsAndProductsThatOverflow) {
  EXPECT_FALSE(TensorInMemory({4}, 6, 16).decode());
  EXPECT_FALSE(TensorInMemory({4, 0}, 1, 0).decode());
  EXPECT_FALSE(TensorInMemory({0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}, 1, 16).decode());
  EXPECT_FALSE(TensorInMemory({0x10000, 0x10000, 0x10000, 0x10000}, 1, 0).decode());  // 2^64 elements
}

TEST(DecodeTensor, RefusesWhatLiesOutsideOfTheMemory) {
  EXPECT_TRUE(TensorInMemory({4}, 1, 16).decode(0));
  EXPECT_FALSE(TensorInMemory({4}, 1, 16).decode(109));  // 20 bytes do not fit
  EXPECT_FALSE(TensorInMemory({4}, 1, 16).decode(0xFFFFFFF0));
  TensorInMemory dims_outside({4}, 1, 16);
  dims_outside.put(0, 126);
  EXPECT_FALSE(dims_outside.decode());
  TensorInMemory data_outside({4}, 1, 16);
  data_outside.put(12, 0xFFFFFFFC);
  EXPECT_FALSE(data_outside.decode());
  TensorInMemory too_many_dims({4}, 1, 16);
  too_many_dims.put(4, 0xFFFFFFFF);
  EXPECT_FALSE(too_many_dims.decode());
}

}  // namespace
}  // namespace trilby::host
