/// \file  Writes PNG (W3C PNG specification, third edition).
#pragma once
#include "image/gray_picture.h"
#include "image/result.h"

namespace image {

/// A grayscale PNG of 8 or 16 bits. Refuses only for want of memory.
Result<Buffer> encode_png(const GrayPicture& picture);

}  // namespace image
