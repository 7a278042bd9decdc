/// \file  Turns a picture upright.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace image {

/// How to get from the stored pixels to the upright picture: up to three steps in this order.
struct Orientation {
  bool transpose = false;  ///< exchange rows and columns
  bool mirror = false;     ///< exchange left and right
  bool flip = false;       ///< exchange top and bottom

  bool operator==(const Orientation&) const = default;
};

/// Writes the upright picture of one that is stored `width` x `height`, row after row. `to` holds as many pixels as
/// `from` and does not overlap it.
template <typename Pixel>
void make_upright(const Pixel* from, std::uint32_t width, std::uint32_t height, Orientation orientation, Pixel* to) {
  constexpr std::uint32_t kTile =
      32;  // square tiles, so that a transposed picture does not miss the cache at each pixel
  const auto to_width = static_cast<std::ptrdiff_t>(orientation.transpose ? height : width);
  const auto to_height = static_cast<std::ptrdiff_t>(orientation.transpose ? width : height);
  const std::ptrdiff_t along_row = orientation.mirror ? -1 : 1;
  const std::ptrdiff_t along_column = orientation.flip ? -to_width : to_width;
  const std::ptrdiff_t step_x = orientation.transpose ? along_column : along_row;
  const std::ptrdiff_t step_y = orientation.transpose ? along_row : along_column;
  Pixel* const start =
      to + (orientation.mirror ? to_width - 1 : 0) + (orientation.flip ? (to_height - 1) * to_width : 0);
  for (std::uint32_t top = 0; top < height; top += kTile) {
    for (std::uint32_t left = 0; left < width; left += kTile) {
      for (std::uint32_t y = top; y < std::min(height, top + kTile); ++y) {
        for (std::uint32_t x = left; x < std::min(width, left + kTile); ++x) {
          start[(static_cast<std::ptrdiff_t>(x) * step_x) + (static_cast<std::ptrdiff_t>(y) * step_y)] =
              from[(static_cast<std::size_t>(y) * width) + x];
        }
      }
    }
  }
}

}  // namespace image
