#include "inference/tensor.h"

#include <gtest/gtest.h>

namespace trilby::inference {
namespace {

using Dims = std::vector<std::uint32_t>;

TEST(ByteSize, IsTheProductOfTheDimensionsTimesTheElement) {
  EXPECT_EQ(byte_size(ElementType::F32, Dims{1, 224, 224, 3}), 602112);
  EXPECT_EQ(byte_size(ElementType::U8, Dims{5}), 5);
  EXPECT_EQ(byte_size(ElementType::I64, Dims{}), 8);  // a scalar
  EXPECT_EQ(byte_size(ElementType::F16, Dims{0xFFFFFFFF}), 0x1FFFFFFFEU);
}

TEST(ByteSize, OfAnOverflowingShapeIsNothing) {
  EXPECT_EQ(byte_size(ElementType::U8, Dims{0xFFFFFFFF, 0xFFFFFFFF, 2}), std::nullopt);
  EXPECT_EQ(byte_size(ElementType::F64, Dims{0xFFFFFFFF, 0xFFFFFFFF}), std::nullopt);
  EXPECT_EQ(byte_size(ElementType::U8, Dims{0x10000, 0x10000, 0x10000, 0x10000}), std::nullopt);  // 2^64, so 0
}

TEST(ByteSize, OfAnEmptyShapeIsNothingEvenAfterAnOverflow) {
  EXPECT_EQ(byte_size(ElementType::U8, Dims{0}), std::nullopt);
  EXPECT_EQ(byte_size(ElementType::U8, Dims{0, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}), std::nullopt);
}

TEST(ByteSize, OfTooManyDimensionsIsNothing) {
  EXPECT_EQ(byte_size(ElementType::U8, Dims(kMaxRank, 1)), 1);
  EXPECT_EQ(byte_size(ElementType::U8, Dims(kMaxRank + 1, 1)), std::nullopt);
}

class CheckTest : public testing::Test {
 protected:
  std::string refusal(ElementType type, const Dims& dims, std::uint64_t bytes) const {
    const Result<void> checked = check(image_, type, dims, bytes);
    EXPECT_TRUE(checked || checked.error().reason == Reason::BadInput);
    return checked ? "" : checked.error().message;
  }

  const TensorInfo image_{.name = "image", .type = ElementType::F32, .dims = {1, 2, 3}};
};

TEST_F(CheckTest, AcceptsTheModelsOwnShape) {
  EXPECT_EQ(refusal(ElementType::F32, {1, 2, 3}, 24), "");
}

TEST_F(CheckTest, RefusesBytesThatAreNotWhatTheShapeSays) {
  EXPECT_EQ(refusal(ElementType::F32, {1, 2, 3}, 23), "input image: f32 [1, 2, 3] takes 24 bytes and 23 were given");
  EXPECT_NE(refusal(ElementType::F32, {1, 2, 3}, 0), "");
  EXPECT_NE(refusal(ElementType::F32, {1, 2, 3}, 0x100000018), "");
}

TEST_F(CheckTest, RefusesAnotherShapeOrType) {
  EXPECT_EQ(refusal(ElementType::F32, {1, 3, 2}, 24), "input image is f32 [1, 2, 3] and not f32 [1, 3, 2]");
  EXPECT_NE(refusal(ElementType::F32, {2, 3}, 24), "");
  EXPECT_NE(refusal(ElementType::F32, {1, 2, 3, 1}, 24), "");
  EXPECT_NE(refusal(ElementType::F32, {}, 24), "");
  EXPECT_NE(refusal(ElementType::I32, {1, 2, 3}, 24), "");
}

TEST_F(CheckTest, RefusesShapesThatOverflowAreEmptyOrHaveTooManyDimensions) {
  EXPECT_NE(refusal(ElementType::F32, {0xFFFFFFFF, 0xFFFFFFFF, 3}, 24), "");
  EXPECT_NE(refusal(ElementType::F32, {0, 2, 3}, 0), "");
  EXPECT_EQ(refusal(ElementType::F32, Dims(1000, 1), 4), "input image: 1000 dimensions, and at most 8 can be had");
}

}  // namespace
}  // namespace trilby::inference
