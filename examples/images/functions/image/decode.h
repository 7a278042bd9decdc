/// \file  Decodes JPEG, PNG, GIF and BMP with stb_image, row by row, so that a big photograph fits into little memory.
#pragma once
#include <cstdint>

#include "image/bytes.h"
#include "image/format.h"
#include "image/orientation.h"
#include "image/result.h"

namespace image {

/// More pixels are refused before anything is allocated for them.
constexpr std::uint64_t kMaxPixels = 50'000'000;

struct Header {
  Format format;
  std::uint32_t width;      ///< as stored, 1 or more
  std::uint32_t height;     ///< as stored, 1 or more
  unsigned bits;            ///< of a sample: 8, or 16 for some PNGs
  Orientation orientation;  ///< what makes the stored picture upright
};

/// Reads what stands before the pixels. Refuses what recognise() refuses, damaged headers and more than kMaxPixels.
Result<Header> read_header(Bytes file);

/// Samples of one row from left to right, interleaved; valid during the call that passes it.
struct Row {
  const std::uint8_t* samples;  ///< those of 16 bits in the machine's byte order
  unsigned bits;                ///< 8 or 16
  unsigned channels;            ///< 1 gray, 2 gray and alpha, 3 RGB, 4 RGB and alpha (or a byte without meaning)
};

/// Takes the rows of a picture, each once, from top to bottom as stored.
class RowSink {
 public:
  virtual void take(std::uint32_t y, const Row& row) = 0;

 protected:
  ~RowSink() = default;
};

/// Decodes the picture, of a GIF its first frame. `header` is what read_header() said of the same file. Refuses a file
/// that is damaged, or ends before the picture does: the sink may have taken some or all rows by then.
Result<Done> decode(Bytes file, const Header& header, RowSink& sink);

}  // namespace image
