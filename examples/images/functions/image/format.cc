#include "image/format.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace image {
namespace {

constexpr std::string_view kSend = "; send a JPEG, PNG, GIF or BMP";

bool has(Bytes file, std::size_t offset, std::string_view magic) {
  return file.size() >= offset + magic.size() &&
         std::equal(magic.begin(), magic.end(), file.begin() + static_cast<std::ptrdiff_t>(offset),
                    [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
}

struct Magic {
  std::size_t offset;
  std::string_view bytes;
  std::string_view name;
};

using namespace std::string_view_literals;

// The ISO media brands stand at offset 8, after the size and "ftyp".
constexpr std::array kNotSupported = {
    Magic{8, "WEBP"sv, "WebP"},        Magic{4, "ftyphei"sv, "HEIC"},   Magic{4, "ftyphev"sv, "HEIC"},
    Magic{4, "ftypmif1"sv, "HEIC"},    Magic{4, "ftypmsf1"sv, "HEIC"},  Magic{4, "ftypavi"sv, "AVIF"},
    Magic{0, "II*\0"sv, "TIFF"},       Magic{0, "MM\0*"sv, "TIFF"},     Magic{0, "\xff\x0a"sv, "JPEG XL"},
    Magic{4, "JXL \r\n"sv, "JPEG XL"}, Magic{4, "jP  "sv, "JPEG 2000"},
};

// "BM" alone would take many a text for a picture; the size of the second header tells them apart.
bool is_bmp(Bytes file) {
  constexpr std::array<std::uint8_t, 5> kHeaderSizes = {12, 40, 56, 108, 124};
  return has(file, 0, "BM") && file.size() > 17 && file[15] == 0 && file[16] == 0 && file[17] == 0 &&
         std::find(kHeaderSizes.begin(), kHeaderSizes.end(), file[14]) != kHeaderSizes.end();
}

}  // namespace

Result<Format> recognise(Bytes file) {
  if (file.empty()) {
    return Refusal{"there is no picture: the body is empty"};
  }
  if (has(file, 0, "\xff\xd8\xff")) {
    return Format::kJpeg;
  }
  if (has(file, 0, "\x89PNG\r\n\x1a\n")) {
    return Format::kPng;
  }
  if (has(file, 0, "GIF87a") || has(file, 0, "GIF89a")) {
    return Format::kGif;
  }
  if (is_bmp(file)) {
    return Format::kBmp;
  }
  for (const Magic& magic : kNotSupported) {
    if (has(file, magic.offset, magic.bytes)) {
      return Refusal{std::string(magic.name) + " pictures are not supported" + std::string(kSend)};
    }
  }
  return Refusal{"this is not a picture of a kind that can be read" + std::string(kSend)};
}

const char* name_of(Format format) {
  switch (format) {
    case Format::kJpeg:
      return "JPEG";
    case Format::kPng:
      return "PNG";
    case Format::kGif:
      return "GIF";
    case Format::kBmp:
      return "BMP";
  }
  return "";
}

}  // namespace image
