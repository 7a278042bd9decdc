#include "image/deflate.h"

#include <gtest/gtest.h>

#include "image/test_pictures.h"

namespace image {
namespace {

void expect_round_trip(const File& input) {
  const Buffer compressed = compress(input);
  ASSERT_TRUE(compressed);
  EXPECT_EQ(inflate_with_stb(compressed), input) << input.size();
  EXPECT_LE(static_cast<double>(compressed.size()), 12 + (static_cast<double>(input.size()) * 1.0002));
}

TEST(Compress, GivesBackNothingAndLittle) {
  EXPECT_EQ(inflate_with_stb(compress({})), File{});
  expect_round_trip({7});
  expect_round_trip({1, 2, 3, 4, 5, 6, 7, 8});
}

TEST(Compress, GivesBackNoiseAndStoresIt) {
  for (const std::size_t size : {100, 65534, 65535, 65536, 131070, 131071, 200000}) {
    expect_round_trip(noise(size));
  }
}

TEST(Compress, GivesBackRepeatsOfEveryDistance) {
  for (const std::size_t distance : {1, 2, 3, 7, 8, 9, 31, 257, 4096, 32767, 32768, 32769, 40000}) {
    const File once = noise(distance, static_cast<std::uint32_t>(distance));
    File input;
    while (input.size() < 100000) {
      input.insert(input.end(), once.begin(), once.end());
    }
    expect_round_trip(input);
  }
}

TEST(Compress, GivesBackRepeatsOfEveryLength) {
  File input;
  const File source = noise(600);
  for (std::size_t length = 1; length < 600; ++length) {
    input.insert(input.end(), source.begin(), source.begin() + static_cast<std::ptrdiff_t>(length));
    input.push_back(static_cast<std::uint8_t>(length));
  }
  expect_round_trip(input);
}

TEST(Compress, GivesBackFewAndManyDifferentBytes) {
  for (unsigned different = 1; different < 256; different += 3) {
    File input = noise(5000, different);
    for (std::uint8_t& byte : input) {
      byte = static_cast<std::uint8_t>(byte % different);
    }
    expect_round_trip(input);
  }
}

TEST(Compress, MakesLittleOfOneColour) {
  EXPECT_LT(compress(File(1'000'000, 9)).size(), 5000U);
}

TEST(Compress, MakesHalfOfFourBitsInEight) {
  File input = noise(100000);
  for (std::uint8_t& byte : input) {
    byte %= 16;
  }
  EXPECT_LT(compress(input).size(), 51000U);
}

}  // namespace
}  // namespace image
