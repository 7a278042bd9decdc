// The walk through a JPEG's segments and its EXIF directory stays inside the file.
#include "image/exif.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static_cast<void>(image::orientation_of_jpeg({data, size}));
  return 0;
}
