/// \file  Which way up a camera held the picture (EXIF 2.32, tag 0x0112).
#pragma once
#include "image/bytes.h"
#include "image/orientation.h"

namespace image {

/// What a JPEG file says about itself. Anything missing, malformed or out of range means upright: a wrong note in a
/// good picture is no reason to refuse it.
Orientation orientation_of_jpeg(Bytes file);

/// For the values 1 to 8 of the EXIF tag; all others mean upright.
Orientation orientation_of_tag(unsigned value);

}  // namespace image
