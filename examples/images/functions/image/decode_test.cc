#include "image/decode.h"

#include <gtest/gtest.h>

#include "image/gif.h"
#include "image/test_pictures.h"

namespace image {
namespace {

File gradient(int width, int height, int channels) {
  File samples;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int channel = 0; channel < channels; ++channel) {
        samples.push_back(static_cast<std::uint8_t>((x * 7) + (y * 5 * channel) + (40 * channel)));
      }
    }
  }
  return samples;
}

File bytes_of(const Buffer& buffer) {
  return {buffer.data(), buffer.data() + buffer.size()};
}

bool mentions(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// ---- JPEG

TEST(DecodeJpeg, GivesTheRowsThatStbImageGives) {
  for (const int quality : {80, 95}) {  // with coarse and with fine colours
    for (int width = 1; width < 50; width += 3) {
      for (const int height : {1, 2, 3, 15, 16, 17, 33}) {
        const File file = jpeg_file(width, height, 3, gradient(width, height, 3), quality);
        const auto decoded = decode_all(file);
        ASSERT_TRUE(decoded) << decoded.refusal().words;
        EXPECT_EQ(decoded->channels, 4U);
        EXPECT_EQ(decoded->samples, decode_with_stb(file)) << width << " x " << height << " at " << quality;
      }
    }
  }
}

TEST(DecodeJpeg, GivesTheColoursThatWereEncoded) {
  File red(std::size_t{20} * 20 * 3);
  for (std::size_t i = 0; i < red.size(); i += 3) {
    red[i] = 200;
    red[i + 2] = 50;
  }
  const auto decoded = decode_all(jpeg_file(20, 20, 3, red, 95));
  ASSERT_TRUE(decoded);
  for (std::size_t i = 0; i < decoded->samples.size(); i += 4) {
    EXPECT_NEAR(decoded->samples[i], 200, 3);
    EXPECT_NEAR(decoded->samples[i + 1], 0, 3);
    EXPECT_NEAR(decoded->samples[i + 2], 50, 3);
  }
}

TEST(DecodeJpeg, IsReadUpToItsEndWhateverFollows) {
  File file = jpeg_file(30, 20, 3, gradient(30, 20, 3), 80);
  const File without = decode_all(file)->samples;
  file.insert(file.end(), 1000, 0xff);
  ASSERT_TRUE(decode_all(file));
  EXPECT_EQ(decode_all(file)->samples, without);
}

// ---- PNG

TEST(DecodePng, GivesEachColourTypeAsItIs) {
  for (const auto& [colour_type, channels] : {std::pair{0, 1}, {2, 3}, {4, 2}, {6, 4}}) {
    for (const std::uint8_t bits : {std::uint8_t{8}, std::uint8_t{16}}) {
      const File rows = noise(std::size_t{13} * 7 * static_cast<unsigned>(channels * bits / 8));
      const auto decoded = decode_all(png_file(
          {.width = 13, .height = 7, .bits = bits, .colour_type = static_cast<std::uint8_t>(colour_type)}, rows));
      ASSERT_TRUE(decoded) << decoded.refusal().words;
      EXPECT_EQ(decoded->channels, static_cast<unsigned>(channels));
      ASSERT_EQ(decoded->bits, bits);
      File samples = decoded->samples;
      for (std::size_t i = 0; bits == 16 && i < samples.size(); i += 2) {
        std::swap(samples[i], samples[i + 1]);  // PNG has the high byte first
      }
      EXPECT_EQ(samples, rows) << colour_type << " with " << int{bits};
    }
  }
}

TEST(DecodePng, SpreadsFewBits) {
  const auto decoded = decode_all(png_file({.width = 8, .height = 1, .bits = 1, .colour_type = 0}, {0b10110001}));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->samples, (File{255, 0, 255, 255, 0, 0, 0, 255}));
  const auto four = decode_all(png_file({.width = 4, .height = 1, .bits = 2, .colour_type = 0}, {0b00011011}));
  ASSERT_TRUE(four);
  EXPECT_EQ(four->samples, (File{0, 85, 170, 255}));
}

TEST(DecodePng, LooksUpPaletteAndTransparency) {
  const File palette = {1, 2, 3, 40, 50, 60, 200, 201, 202};
  const PngSpec opaque = {.width = 4, .height = 1, .bits = 2, .colour_type = 3, .palette = palette};
  const auto rgb = decode_all(png_file(opaque, {0b00011000}));
  ASSERT_TRUE(rgb) << rgb.refusal().words;
  EXPECT_EQ(rgb->samples, (File{1, 2, 3, 40, 50, 60, 200, 201, 202, 1, 2, 3}));

  PngSpec transparent = opaque;
  transparent.transparency = {9};
  const auto rgba = decode_all(png_file(transparent, {0b00011000}));
  ASSERT_TRUE(rgba) << rgba.refusal().words;
  EXPECT_EQ(rgba->samples, (File{1, 2, 3, 9, 40, 50, 60, 255, 200, 201, 202, 255, 1, 2, 3, 9}));
}

// ---- BMP and GIF

TEST(DecodeBmp, GivesRowsFromTheTopHoweverTheyAreStored) {
  const File rgb = gradient(5, 4, 3);
  for (const bool from_top : {false, true}) {
    const auto decoded = decode_all(bmp_file(5, 4, rgb, from_top));
    ASSERT_TRUE(decoded) << decoded.refusal().words;
    EXPECT_EQ(decoded->height, 4U);
    EXPECT_EQ(decoded->samples, rgb);
  }
}

TEST(DecodeGif, GivesTheFirstFrame) {
  const File first = gradient(9, 6, 1);
  File file = bytes_of(*encode_gif(gray_picture(9, 6, 8, first)));
  const File second = bytes_of(*encode_gif(gray_picture(9, 6, 8, File(54, 77))));
  constexpr std::ptrdiff_t kHead = 13 + 768;
  file.pop_back();
  file.insert(file.end(), second.begin() + kHead, second.end());
  const auto decoded = decode_all(file);
  ASSERT_TRUE(decoded) << decoded.refusal().words;
  ASSERT_EQ(decoded->samples.size(), first.size() * 4);
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(decoded->samples[i * 4], first[i]);
  }
}

// ---- What is refused

TEST(Decode, RefusesEveryFileThatEndsEarly) {
  const std::pair<const char*, File> files[] = {
      {"JPEG", jpeg_file(20, 20, 3, gradient(20, 20, 3), 80)},
      {"gray JPEG", jpeg_file(20, 20, 1, gradient(20, 20, 1), 80)},
      {"PNG", png_file({.width = 9, .height = 9, .colour_type = 2}, noise(243))},
      {"palette PNG",
       png_file({.width = 8, .height = 8, .bits = 1, .colour_type = 3, .palette = File(6, 9)}, noise(8))},
      {"BMP", bmp_file(9, 9, noise(243))},
  };
  for (const auto& [name, file] : files) {
    ASSERT_EQ(refusal_of(file), "") << name;
    for (std::size_t size = 0; size < file.size(); ++size) {
      EXPECT_NE(refusal_of(Bytes(file).first(size)), "") << name << " cut to " << size << " of " << file.size();
    }
    EXPECT_TRUE(mentions(refusal_of(Bytes(file).first(file.size() / 2)), "cut short")) << name;
    EXPECT_TRUE(mentions(refusal_of(Bytes(file).first(file.size() - 1)), "cut short")) << name;
  }
}

TEST(Decode, RefusesAGifThatEndsBeforeItsFirstFrameDoes) {
  const File file = bytes_of(*encode_gif(gray_picture(20, 20, 8, noise(400))));
  for (std::size_t size = 0; size < file.size() - 1; ++size) {  // the last byte only says that no frame follows
    EXPECT_NE(refusal_of(Bytes(file).first(size)), "") << size;
  }
}

TEST(Decode, RefusesAHugePictureBeforeMakingRoomForIt) {
  File png = png_file({.width = 1, .height = 1, .colour_type = 6}, {1, 2, 3, 4});
  for (const std::uint32_t side : {7072U, 30000U, 65535U, 0x7fffffffU}) {
    for (std::size_t i = 0; i < 8; ++i) {
      png[16 + i] = static_cast<std::uint8_t>(side >> (24 - (8 * (i % 4))));  // width and height
    }
    EXPECT_TRUE(mentions(refusal_of(png), "too large")) << side << ": " << refusal_of(png);
  }
  File bmp = bmp_file(1, 1, {1, 2, 3});
  for (const std::size_t side : {18, 22}) {
    bmp[side] = 0x30;
    bmp[side + 1] = 0x75;
  }
  EXPECT_TRUE(mentions(refusal_of(bmp), "too large"));
}

TEST(Decode, RefusesDamage) {
  File png = png_file({.width = 9, .height = 9, .colour_type = 2}, noise(243));
  png[12] = 'x';  // the name of the first chunk
  EXPECT_TRUE(mentions(refusal_of(png), "damaged"));
  File jpeg = jpeg_file(20, 20, 3, gradient(20, 20, 3), 80);
  jpeg[3] = 1;  // the marker of the first segment
  EXPECT_TRUE(mentions(refusal_of(jpeg), "damaged"));
}

TEST(Recognise, RefusesByName) {
  const auto words = [](std::string text) {
    text.resize(std::max<std::size_t>(text.size(), 40), ' ');
    return refusal_of({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  };
  EXPECT_EQ(words("RIFF1234WEBPVP8 "), "WebP pictures are not supported; send a JPEG, PNG, GIF or BMP");
  EXPECT_TRUE(mentions(words(std::string("\0\0\0\x18"
                                         "ftypheic",
                                         12)),
                       "HEIC pictures are not supported"));
  EXPECT_TRUE(mentions(words(std::string("\0\0\0\x18"
                                         "ftypmif1",
                                         12)),
                       "HEIC pictures are not supported"));
  EXPECT_TRUE(mentions(words(std::string("\0\0\0\x18"
                                         "ftypavif",
                                         12)),
                       "AVIF pictures are not supported"));
  EXPECT_TRUE(mentions(words(std::string("II*\0", 4)), "TIFF pictures are not supported"));
}

TEST(Recognise, RefusesWhatIsNoPicture) {
  EXPECT_TRUE(mentions(refusal_of({}), "the body is empty"));
  for (const std::string text : {"hello", "BMW makes motorcycles and cars", "GIF", "\x89PNG", "{}"}) {
    EXPECT_TRUE(
        mentions(refusal_of({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}), "not a picture"))
        << text;
  }
}

}  // namespace
}  // namespace image
