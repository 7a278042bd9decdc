#include "image/png.h"

#include <gtest/gtest.h>

#include "image/test_pictures.h"

namespace image {
namespace {

File smooth(std::uint32_t width, std::uint32_t height) {
  File samples(std::size_t{width} * height);
  const File grain = noise(samples.size());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    samples[i] = static_cast<std::uint8_t>((i % width) + (2 * (i / width)) + (grain[i] % 4));
  }
  return samples;
}

void expect_round_trip(std::uint32_t width, std::uint32_t height, const File& samples) {
  const auto file = encode_png(gray_picture(width, height, 8, samples));
  ASSERT_TRUE(file);
  const auto decoded = decode_all(*file);
  ASSERT_TRUE(decoded) << decoded.refusal().words;
  EXPECT_EQ(decoded->width, width);
  EXPECT_EQ(decoded->height, height);
  EXPECT_EQ(decoded->channels, 1U);
  EXPECT_EQ(decoded->samples, samples) << width << " x " << height;
}

TEST(EncodePng, GivesBackEveryWidth) {
  for (std::uint32_t width = 1; width < 140; ++width) {
    expect_round_trip(width, 9, smooth(width, 9));
  }
  expect_round_trip(1, 300, smooth(1, 300));
  expect_round_trip(5000, 3, smooth(5000, 3));
}

TEST(EncodePng, GivesBackNoise) {
  expect_round_trip(333, 222, noise(std::size_t{333} * 222));
}

TEST(EncodePng, GivesBackSixteenBits) {
  const File samples = noise(std::size_t{37} * 11 * 2);
  const auto file = encode_png(gray_picture(37, 11, 16, samples));
  ASSERT_TRUE(file);
  const auto decoded = decode_all(*file);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->bits, 16U);
  File high_first = decoded->samples;
  for (std::size_t i = 0; i < high_first.size(); i += 2) {
    std::swap(high_first[i], high_first[i + 1]);
  }
  EXPECT_EQ(high_first, samples);
}

TEST(EncodePng, MakesASmoothPictureMuchSmaller) {
  const auto file = encode_png(gray_picture(600, 400, 8, smooth(600, 400)));
  ASSERT_TRUE(file);
  EXPECT_LT(file->size(), 600U * 400U * 4 / 10);
}

}  // namespace
}  // namespace image
