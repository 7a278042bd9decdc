#include "image/gif.h"

#include <gtest/gtest.h>

#include "image/test_pictures.h"

namespace image {
namespace {

void expect_round_trip(std::uint32_t width, std::uint32_t height, const File& samples) {
  const auto file = encode_gif(gray_picture(width, height, 8, samples));
  ASSERT_TRUE(file);
  const auto decoded = decode_all(*file);
  ASSERT_TRUE(decoded) << decoded.refusal().words;
  EXPECT_EQ(decoded->width, width);
  EXPECT_EQ(decoded->height, height);
  File rgba;
  for (const std::uint8_t sample : samples) {
    rgba.insert(rgba.end(), {sample, sample, sample, 0xff});
  }
  EXPECT_EQ(decoded->samples, rgba) << width << " x " << height;
}

TEST(EncodeGif, GivesBackSmallPictures) {
  for (std::uint32_t size = 1; size < 700; ++size) {
    expect_round_trip(size, 1, noise(size));
  }
}

TEST(EncodeGif, GivesBackNoiseThatFillsTheDictionaryAgainAndAgain) {
  expect_round_trip(300, 200, noise(60000));
}

TEST(EncodeGif, GivesBackOneColour) {
  expect_round_trip(1000, 1000, File(1'000'000, 200));
  expect_round_trip(1, 3, File(3, 0));
}

TEST(EncodeGif, GivesBackEveryWidthOfCodeAtTheEnd) {
  // The code that ends the data stands right where the width grows, some of these times.
  for (std::uint32_t size = 250; size < 260; ++size) {
    expect_round_trip(size, 1, noise(size, 3));
  }
  for (std::uint32_t size = 3820; size < 3860; ++size) {
    expect_round_trip(size, 1, noise(size, 5));
  }
}

}  // namespace
}  // namespace image
