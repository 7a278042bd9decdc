/// \file  Writes GIF89a with LZW (CompuServe, "Graphics Interchange Format", 1990, appendix F).
#pragma once
#include "image/gray_picture.h"
#include "image/result.h"

namespace image {

/// A GIF of one frame with 256 shades of gray, for a picture of 8 bits and at most 65535 pixels each way.
Result<Buffer> encode_gif(const GrayPicture& picture);

}  // namespace image
