#include "grayscale/grayscale.h"

#include <array>
#include <cstring>

#include <gtest/gtest.h>

#include "image/gif.h"
#include "image/test_pictures.h"

namespace grayscale {
namespace {

using image::Bytes;
using image::Decoded;
using image::File;

Decoded gray_of(Bytes picture) {
  const auto file = grayscale(picture);
  EXPECT_TRUE(file) << file.refusal().words;
  auto decoded = image::decode_all(*file);
  EXPECT_TRUE(decoded) << decoded.refusal().words;
  return *decoded;
}

std::uint8_t shade_of(std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  return gray_of(image::png_file({.width = 1, .height = 1, .colour_type = 2}, {red, green, blue})).samples.at(0);
}

TEST(Grayscale, TruncatesTheWeightedSum) {
  EXPECT_EQ(shade_of(255, 0, 0), 54);   // 54.2
  EXPECT_EQ(shade_of(0, 255, 0), 182);  // 182.4
  EXPECT_EQ(shade_of(0, 0, 255), 18);   // 18.4
  EXPECT_EQ(shade_of(0, 0, 0), 0);
  EXPECT_EQ(shade_of(12, 200, 99), 152);  // 152.7
}

TEST(Grayscale, IsExactForAllColours) {
  File rgb;
  for (unsigned red = 0; red < 256; red += 3) {
    for (unsigned green = 0; green < 256; green += 3) {
      for (unsigned blue = 0; blue < 256; blue += 3) {
        rgb.insert(rgb.end(),
                   {static_cast<std::uint8_t>(red), static_cast<std::uint8_t>(green), static_cast<std::uint8_t>(blue)});
      }
    }
  }
  const auto pixels = static_cast<std::uint32_t>(rgb.size() / 3);
  const Decoded gray = gray_of(image::png_file({.width = pixels / 86, .height = 86, .colour_type = 2}, rgb));
  for (std::size_t i = 0; i < pixels; ++i) {
    const unsigned sum = (2126U * rgb[3 * i]) + (7152U * rgb[(3 * i) + 1]) + (722U * rgb[(3 * i) + 2]);
    // Where the sum is whole, single precision may fall just below it, as it does in the `image` crate.
    const unsigned lowest = sum % 10000 == 0 && sum > 0 ? (sum / 10000) - 1 : sum / 10000;
    ASSERT_LE(lowest, gray.samples[i]);
    ASSERT_GE(sum / 10000, gray.samples[i]);
  }
}

TEST(Grayscale, IsTheSameForThreeAndFourChannels) {
  const File rgb = image::noise(std::size_t{40} * 30 * 3);
  File rgba;
  for (std::size_t i = 0; i < rgb.size(); i += 3) {
    rgba.insert(rgba.end(), {rgb[i], rgb[i + 1], rgb[i + 2], static_cast<std::uint8_t>(i)});
  }
  EXPECT_EQ(gray_of(image::png_file({.width = 40, .height = 30, .colour_type = 6}, rgba)).samples,
            gray_of(image::png_file({.width = 40, .height = 30, .colour_type = 2}, rgb)).samples);
}

TEST(Grayscale, LeavesGrayAsItIsAndDropsAlpha) {
  const File gray = image::noise(35);
  EXPECT_EQ(gray_of(image::png_file({.width = 7, .height = 5, .colour_type = 0}, gray)).samples, gray);
  File with_alpha;
  for (const std::uint8_t sample : gray) {
    with_alpha.insert(with_alpha.end(), {sample, 3});
  }
  EXPECT_EQ(gray_of(image::png_file({.width = 7, .height = 5, .colour_type = 4}, with_alpha)).samples, gray);
}

TEST(Grayscale, KeepsSixteenBits) {
  const Decoded gray = gray_of(image::png_file({.width = 2, .height = 1, .bits = 16, .colour_type = 2},
                                               {0xff, 0xff, 0, 0, 0, 0, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc}));
  EXPECT_EQ(gray.bits, 16U);
  EXPECT_EQ(gray.channels, 1U);
  const File little_endian = {13932 & 0xff, 13932 >> 8, 19682 & 0xff, 19682 >> 8};  // 13932.7 and 19682.4
  EXPECT_EQ(gray.samples, little_endian);
}

TEST(Grayscale, MakesAGifOfAGifAndAPngOfAllElse) {
  const auto starts = [](Bytes picture, const char* magic) {
    const auto file = grayscale(picture);
    return file && std::memcmp(file->data(), magic, 3) == 0;
  };
  const File rgb = image::noise(48);
  const auto gif = image::encode_gif(image::gray_picture(4, 4, 8, image::noise(16)));
  EXPECT_TRUE(starts(*gif, "GIF"));
  EXPECT_TRUE(starts(image::bmp_file(4, 4, rgb), "\x89PN"));
  EXPECT_TRUE(starts(image::jpeg_file(4, 4, 3, rgb, 90), "\x89PN"));
  EXPECT_TRUE(starts(image::png_file({.width = 4, .height = 4, .colour_type = 2}, rgb), "\x89PN"));
}

TEST(Grayscale, UsesTheColoursOfAGif) {
  auto gif = image::encode_gif(image::gray_picture(1, 1, 8, {5}));
  const std::array<std::uint8_t, 3> red = {255, 0, 0};
  std::copy(red.begin(), red.end(), gif->data() + 13 + (3 * 5));
  EXPECT_EQ(gray_of(*gif).samples, (File{54, 54, 54, 255}));
}

TEST(Grayscale, TurnsAPhotographUpright) {
  // Black on top, white below.
  File stored(std::size_t{16} * 32);
  std::fill(stored.begin() + 256, stored.end(), 255);
  const File jpeg = image::jpeg_file(16, 32, 1, stored, 95);
  const Decoded turned = gray_of(image::with_orientation(jpeg, 6));  // its top is the right side
  EXPECT_EQ(turned.width, 32U);
  EXPECT_EQ(turned.height, 16U);
  EXPECT_GT(turned.samples.at(2), 250);
  EXPECT_LT(turned.samples.at(29), 5);
  const Decoded upside_down = gray_of(image::with_orientation(jpeg, 3));
  EXPECT_EQ(upside_down.width, 16U);
  EXPECT_GT(upside_down.samples.at(0), 250);
}

TEST(Grayscale, RefusesInWords) {
  const auto refused = grayscale(Bytes{});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.refusal().words, "there is no picture: the body is empty");
}

}  // namespace
}  // namespace grayscale
