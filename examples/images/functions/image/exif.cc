#include "image/exif.h"

#include <cstddef>
#include <cstring>
#include <optional>

namespace image {
namespace {

/// Reads numbers of either byte order at checked offsets.
class TiffReader {
 public:
  TiffReader(Bytes tiff, bool little_endian) : tiff_(tiff), little_endian_(little_endian) {}

  [[nodiscard]] std::optional<std::uint32_t> number(std::size_t offset, unsigned size) const {
    if (offset > tiff_.size() || size > tiff_.size() - offset) {
      return std::nullopt;
    }
    std::uint32_t value = 0;
    for (unsigned i = 0; i < size; ++i) {
      value = (value << 8) | tiff_[offset + (little_endian_ ? size - 1 - i : i)];
    }
    return value;
  }

 private:
  Bytes tiff_;
  bool little_endian_;
};

bool starts_with(Bytes bytes, const char* text, std::size_t size) {
  return bytes.size() >= size && std::memcmp(bytes.data(), text, size) == 0;
}

// TIFF 6.0: byte order, 42, offset of the first directory; a directory is a count and 12 bytes for each entry.
unsigned orientation_tag(Bytes tiff) {
  constexpr std::uint32_t kOrientation = 0x0112;
  constexpr std::uint32_t kShort = 3;
  const bool little_endian = starts_with(tiff, "II*\0", 4);
  if (!little_endian && !starts_with(tiff, "MM\0*", 4)) {
    return 1;
  }
  const TiffReader reader(tiff, little_endian);
  const std::size_t directory = reader.number(4, 4).value_or(0);
  const std::uint32_t entries = reader.number(directory, 2).value_or(0);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + (i * 12);
    const auto tag = reader.number(entry, 2);
    if (!tag) {
      return 1;
    }
    if (*tag == kOrientation) {
      return reader.number(entry + 2, 2) == kShort ? reader.number(entry + 8, 2).value_or(1) : 1;
    }
  }
  return 1;
}

}  // namespace

Orientation orientation_of_tag(unsigned value) {
  switch (value) {
    case 2:
      return {.mirror = true};
    case 3:
      return {.mirror = true, .flip = true};
    case 4:
      return {.flip = true};
    case 5:
      return {.transpose = true};
    case 6:
      return {.transpose = true, .mirror = true};
    case 7:
      return {.transpose = true, .mirror = true, .flip = true};
    case 8:
      return {.transpose = true, .flip = true};
    default:
      return {};
  }
}

Orientation orientation_of_jpeg(Bytes file) {
  constexpr std::uint8_t kApp1 = 0xe1;
  constexpr std::uint8_t kStartOfScan = 0xda;
  // Two bytes of marker, two of length, which counts itself.
  for (std::size_t at = 2; at + 4 <= file.size() && file[at] == 0xff;) {
    const std::uint8_t marker = file[at + 1];
    if (marker == 0xff) {  // padding
      ++at;
      continue;
    }
    const std::size_t length = (static_cast<std::size_t>(file[at + 2]) << 8) | file[at + 3];
    if (marker == kStartOfScan || length < 2 || length > file.size() - at - 2) {
      return {};
    }
    const Bytes content = file.subspan(at + 4, length - 2);
    if (marker == kApp1 && starts_with(content, "Exif\0\0", 6)) {
      return orientation_of_tag(orientation_tag(content.subspan(6)));
    }
    at += 2 + length;
  }
  return {};
}

}  // namespace image
