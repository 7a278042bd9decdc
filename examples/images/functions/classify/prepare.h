/// \file  Makes of a picture what the model expects to see.
#pragma once
#include <cstddef>
#include <vector>

#include "image/bytes.h"
#include "image/result.h"

namespace classify {

constexpr std::size_t kSide = 224;    ///< pixels each way
constexpr std::size_t kChannels = 3;  ///< red, green, blue

/// The upright picture's middle, scaled to kSide x kSide: float samples (x - 127) / 128 in the order rows, columns,
/// channels.
///
/// The middle is the square of 224/256 of the shorter side, as in the evaluation of EfficientNet-Lite; it is scaled by
/// a triangle filter that spans what a pixel covers. Alpha is dropped, gray is made RGB.
image::Result<std::vector<float>> prepare(image::Bytes picture);

}  // namespace classify
