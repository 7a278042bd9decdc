#include "image/exif.h"

#include <string>

#include <gtest/gtest.h>

#include "image/test_pictures.h"

namespace image {
namespace {

// How the picture ABC / DEF is stored for each value of the tag, by the EXIF standard's words on row 0 and column 0.
struct Stored {
  unsigned tag;
  std::uint32_t width;
  std::uint32_t height;
  std::string pixels;
};
const Stored kStored[] = {
    {1, 3, 2, "ABCDEF"}, {2, 3, 2, "CBAFED"}, {3, 3, 2, "FEDCBA"}, {4, 3, 2, "DEFABC"},
    {5, 2, 3, "ADBECF"}, {6, 2, 3, "CFBEAD"}, {7, 2, 3, "FCEBDA"}, {8, 2, 3, "DAEBFC"},
};

TEST(Orientation, EachTagIsTurnedUpright) {
  for (const Stored& stored : kStored) {
    std::string upright(6, ' ');
    make_upright(stored.pixels.data(), stored.width, stored.height, orientation_of_tag(stored.tag), upright.data());
    EXPECT_EQ(upright, "ABCDEF") << stored.tag;
  }
}

TEST(Orientation, TurningWorksAcrossTiles) {
  constexpr std::uint32_t kWidth = 70;
  constexpr std::uint32_t kHeight = 45;
  const File stored = noise(kWidth * kHeight);
  File turned(stored.size());
  make_upright(stored.data(), kWidth, kHeight, {.transpose = true, .mirror = true}, turned.data());
  for (std::uint32_t y = 0; y < kHeight; ++y) {
    for (std::uint32_t x = 0; x < kWidth; ++x) {
      ASSERT_EQ(turned[(x * kHeight) + (kHeight - 1 - y)], stored[(y * kWidth) + x]);
    }
  }
}

TEST(OrientationOfJpeg, IsReadInBothByteOrders) {
  const File jpeg = jpeg_file(4, 4, 1, noise(16), 95);
  for (std::uint16_t tag = 1; tag <= 8; ++tag) {
    EXPECT_EQ(orientation_of_jpeg(with_orientation(jpeg, tag, true)), orientation_of_tag(tag)) << tag;
    EXPECT_EQ(orientation_of_jpeg(with_orientation(jpeg, tag, false)), orientation_of_tag(tag)) << tag;
  }
}

TEST(OrientationOfJpeg, IsUprightWithoutATagOrWithANonsensicalOne) {
  const File jpeg = jpeg_file(4, 4, 1, noise(16), 95);
  EXPECT_EQ(orientation_of_jpeg(jpeg), Orientation{});
  EXPECT_EQ(orientation_of_jpeg(with_orientation(jpeg, 0)), Orientation{});
  EXPECT_EQ(orientation_of_jpeg(with_orientation(jpeg, 9)), Orientation{});
  EXPECT_EQ(orientation_of_jpeg(with_orientation(jpeg, 0xffff)), Orientation{});
}

TEST(OrientationOfJpeg, IsUprightWhenTheFileEndsAnywhereBeforeIt) {
  const File file = with_orientation(jpeg_file(4, 4, 1, noise(16), 95), 6);
  constexpr std::size_t kBlockEnd = 2 + 2 + 2 + 6 + 38;
  for (std::size_t size = 0; size < kBlockEnd; ++size) {
    EXPECT_EQ(orientation_of_jpeg(Bytes(file).first(size)), Orientation{}) << size;
  }
  EXPECT_EQ(orientation_of_jpeg(Bytes(file).first(kBlockEnd)), orientation_of_tag(6));
}

TEST(OrientationOfJpeg, IsUprightWhenTheDirectoryLiesOutside) {
  File file = with_orientation(jpeg_file(4, 4, 1, noise(16), 95), 6);
  for (const std::uint8_t byte : {std::uint8_t{0x7f}, std::uint8_t{0xff}}) {
    std::fill_n(file.begin() + 12 + 4, 4, byte);
    EXPECT_EQ(orientation_of_jpeg(file), Orientation{});
  }
}

}  // namespace
}  // namespace image
