#include "image/test_pictures.h"

#include <cstring>

#include "image/checksum.h"
#include "image/decode.h"
#include "image/deflate.h"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#include <stb/stb_image.h>
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#include <stb/stb_image_write.h>

namespace image {
namespace {

class Collector final : public RowSink {
 public:
  explicit Collector(Decoded& decoded) : decoded_(decoded) {}
  void take(std::uint32_t y, const Row& row) override {
    if (y != rows_++) {
      decoded_.samples.clear();  // out of order: no test will take this for the picture
      return;
    }
    decoded_.bits = row.bits;
    decoded_.channels = row.channels;
    decoded_.samples.insert(decoded_.samples.end(), row.samples,
                            row.samples + (std::size_t{decoded_.width} * row.channels * (row.bits / 8)));
  }

 private:
  Decoded& decoded_;
  std::uint32_t rows_ = 0;
};

void append(File& file, std::uint64_t value, int size, bool little_endian) {
  for (int i = 0; i < size; ++i) {
    file.push_back(static_cast<std::uint8_t>(value >> (8 * (little_endian ? i : size - 1 - i))));
  }
}

void append(File& file, Bytes bytes) {
  file.insert(file.end(), bytes.begin(), bytes.end());
}

void append_chunk(File& file, const char* name, Bytes content) {
  append(file, content.size(), 4, false);
  const std::size_t begin = file.size();
  file.insert(file.end(), name, name + 4);
  append(file, content);
  append(file, crc32(Bytes(file).subspan(begin)), 4, false);
}

}  // namespace

Result<Decoded> decode_all(Bytes file) {
  const auto header = read_header(file);
  if (!header) {
    return header.refusal();
  }
  Decoded decoded;
  decoded.width = header->width;
  decoded.height = header->height;
  Collector collector(decoded);
  if (const auto done = decode(file, *header, collector); !done) {
    return done.refusal();
  }
  return decoded;
}

std::string refusal_of(Bytes file) {
  const auto decoded = decode_all(file);
  return decoded ? "" : decoded.refusal().words;
}

File decode_with_stb(Bytes file) {
  int width = 0;
  int height = 0;
  int channels = 0;
  stbi_uc* const pixels =
      stbi_load_from_memory(file.data(), static_cast<int>(file.size()), &width, &height, &channels, 4);
  if (pixels == nullptr) {
    return {};
  }
  File result(pixels, pixels + (static_cast<std::ptrdiff_t>(width) * height * 4));
  stbi_image_free(pixels);
  return result;
}

File inflate_with_stb(Bytes zlib) {
  int size = 0;
  char* const bytes =
      stbi_zlib_decode_malloc(reinterpret_cast<const char*>(zlib.data()), static_cast<int>(zlib.size()), &size);
  if (bytes == nullptr) {
    return {};
  }
  File result(bytes, bytes + size);
  std::free(bytes);
  return result;
}

GrayPicture gray_picture(std::uint32_t width, std::uint32_t height, unsigned bits, const File& samples) {
  GrayPicture picture = {.width = width, .height = height, .bits = bits, .samples = Buffer::allocate(samples.size())};
  std::memcpy(picture.samples.data(), samples.data(), samples.size());
  return picture;
}

File png_file(const PngSpec& spec, const File& rows) {
  File file = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  File header;
  append(header, spec.width, 4, false);
  append(header, spec.height, 4, false);
  header.insert(header.end(), {spec.bits, spec.colour_type, 0, 0, 0});
  append_chunk(file, "IHDR", header);
  if (!spec.palette.empty()) {
    append_chunk(file, "PLTE", spec.palette);
  }
  if (!spec.transparency.empty()) {
    append_chunk(file, "tRNS", spec.transparency);
  }
  File filtered;
  const std::size_t stride = rows.size() / spec.height;
  for (std::size_t y = 0; y < spec.height; ++y) {
    filtered.push_back(0);
    append(filtered, Bytes(rows).subspan(y * stride, stride));
  }
  append_chunk(file, "IDAT", compress(filtered));
  append_chunk(file, "IEND", {});
  return file;
}

File jpeg_file(int width, int height, int channels, const File& samples, int quality) {
  File file;
  const auto write = [](void* to, void* bytes, int size) {
    append(*static_cast<File*>(to), {static_cast<const std::uint8_t*>(bytes), static_cast<std::size_t>(size)});
  };
  stbi_write_jpg_to_func(write, &file, width, height, channels, samples.data(), quality);
  return file;
}

File with_orientation(const File& jpeg, std::uint16_t tag, bool little_endian) {
  File tiff;
  tiff.insert(tiff.end(), 2, little_endian ? 'I' : 'M');
  append(tiff, 42, 2, little_endian);
  append(tiff, 8, 4, little_endian);       // where the directory is
  append(tiff, 2, 2, little_endian);       // its entries
  append(tiff, 0x010f, 2, little_endian);  // maker: an entry to step over
  append(tiff, 2, 2, little_endian);
  append(tiff, 4, 4, little_endian);
  append(tiff, 0, 4, little_endian);
  append(tiff, 0x0112, 2, little_endian);
  append(tiff, 3, 2, little_endian);
  append(tiff, 1, 4, little_endian);
  append(tiff, tag, 2, little_endian);
  append(tiff, 0, 2, little_endian);
  append(tiff, 0, 4, little_endian);  // no further directory

  File file(jpeg.begin(), jpeg.begin() + 2);
  file.insert(file.end(), {0xff, 0xe1});
  append(file, 2 + 6 + tiff.size(), 2, false);
  file.insert(file.end(), {'E', 'x', 'i', 'f', 0, 0});
  append(file, tiff);
  file.insert(file.end(), jpeg.begin() + 2, jpeg.end());
  return file;
}

File bmp_file(std::int32_t width, std::int32_t height, const File& rgb, bool from_top) {
  const std::size_t stride = (static_cast<std::size_t>(width) * 3 + 3) / 4 * 4;
  File file = {'B', 'M'};
  append(file, 54 + (stride * static_cast<std::size_t>(height)), 4, true);
  append(file, 0, 4, true);
  append(file, 54, 4, true);  // where the pixels begin
  append(file, 40, 4, true);  // size of this header
  append(file, static_cast<std::uint32_t>(width), 4, true);
  append(file, static_cast<std::uint32_t>(from_top ? -height : height), 4, true);
  append(file, 1, 2, true);
  append(file, 24, 2, true);
  file.resize(54);
  for (std::int32_t row = 0; row < height; ++row) {
    const auto y = static_cast<std::size_t>(from_top ? row : height - 1 - row);
    const std::size_t begin = file.size();
    for (std::size_t x = 0; x < static_cast<std::size_t>(width); ++x) {
      const std::uint8_t* const pixel = rgb.data() + (((y * static_cast<std::size_t>(width)) + x) * 3);
      file.insert(file.end(), {pixel[2], pixel[1], pixel[0]});
    }
    file.resize(begin + stride);
  }
  return file;
}

File noise(std::size_t size, std::uint32_t seed) {
  File bytes(size);
  for (std::uint8_t& byte : bytes) {
    seed = (seed * 1664525U) + 1013904223U;
    byte = static_cast<std::uint8_t>(seed >> 24);
  }
  return bytes;
}

}  // namespace image
