/// \file  A picture in, the same picture in shades of gray out.
#pragma once
#include "image/bytes.h"
#include "image/result.h"

namespace grayscale {

/// A GIF becomes a GIF of its first frame, all else a PNG; samples of 16 bits stay so. A pixel's shade is 0.2126 red +
/// 0.7152 green + 0.0722 blue (Rec. 709), truncated; alpha is dropped; what is gray stays as it is. EXIF orientation is
/// applied.
image::Result<image::Buffer> grayscale(image::Bytes picture);

}  // namespace grayscale
