/// \file  Tells what kind of picture a file is by its first bytes.
#pragma once
#include "image/bytes.h"
#include "image/result.h"

namespace image {

enum class Format { kJpeg, kPng, kGif, kBmp };

/// \return the format, or a refusal: for an empty file, for what is no picture, and by name for the pictures people do
/// send
///         but that are not decoded here (WebP, HEIC, AVIF, TIFF and others).
Result<Format> recognise(Bytes file);

/// "JPEG", "PNG", "GIF", "BMP".
const char* name_of(Format format);

}  // namespace image
