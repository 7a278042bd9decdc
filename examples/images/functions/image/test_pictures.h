/// \file  Picture files made in memory, and decoded ones, for the tests.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "image/bytes.h"
#include "image/gray_picture.h"
#include "image/result.h"

namespace image {

using File = std::vector<std::uint8_t>;

/// A picture with every row in one block, as decode() hands them out.
struct Decoded {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  unsigned bits = 0;
  unsigned channels = 0;
  File samples;
};

/// read_header() and decode().
Result<Decoded> decode_all(Bytes file);
/// The words of the refusal of decode_all(), empty if there is none.
std::string refusal_of(Bytes file);

/// What stb_image's public interface makes of the file with four channels; empty if it fails.
File decode_with_stb(Bytes file);
/// The bytes in a zlib stream; empty if it is damaged.
File inflate_with_stb(Bytes zlib);

GrayPicture gray_picture(std::uint32_t width, std::uint32_t height, unsigned bits, const File& samples);

struct PngSpec {
  std::uint32_t width;
  std::uint32_t height;
  std::uint8_t bits = 8;
  std::uint8_t colour_type;  ///< 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGB and alpha
  File palette = {};
  File transparency = {};
};
/// `rows` are the packed samples of all rows.
File png_file(const PngSpec& spec, const File& rows);

/// From 1, 3 or 4 channels. Above a quality of 90 the colours are as fine as the brightness, else half as fine each
/// way.
File jpeg_file(int width, int height, int channels, const File& samples, int quality);
/// A JPEG with an EXIF block of its orientation.
File with_orientation(const File& jpeg, std::uint16_t tag, bool little_endian = true);

/// 24 bits a pixel from RGB; rows from the bottom, or from the top with a negative height in the file.
File bmp_file(std::int32_t width, std::int32_t height, const File& rgb, bool from_top = false);

/// Numbers without order, the same at each run.
File noise(std::size_t size, std::uint32_t seed = 1);

}  // namespace image
