/// \file  A picture in shades of gray.
#pragma once
#include <cstdint>

#include "image/bytes.h"

namespace image {

struct GrayPicture {
  std::uint32_t width;   ///< 1 or more
  std::uint32_t height;  ///< 1 or more
  unsigned bits;         ///< of a sample: 8, or 16 with the high byte first
  Buffer samples;        ///< row after row, without gaps
};

}  // namespace image
