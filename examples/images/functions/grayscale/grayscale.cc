#include "grayscale/grayscale.h"

#include <array>
#include <cstring>
#include <utility>

#include "image/decode.h"
#include "image/gif.h"
#include "image/gray_picture.h"
#include "image/png.h"

namespace grayscale {
namespace {

using image::Buffer;

// In single precision and this order, as the `image` crate computes it: some shades differ by one otherwise.
std::uint32_t luma(std::uint32_t red, std::uint32_t green, std::uint32_t blue) {
  const float shade = (0.2126F * static_cast<float>(static_cast<int>(red))) +
                      (0.7152F * static_cast<float>(static_cast<int>(green))) +
                      (0.0722F * static_cast<float>(static_cast<int>(blue)));
  return static_cast<std::uint32_t>(static_cast<int>(shade));
}

void shade_of_rgbx(const std::uint8_t* from, std::uint8_t* to) {
  std::uint32_t pixel = 0;
  std::memcpy(&pixel, from, sizeof pixel);
  *to = static_cast<std::uint8_t>(luma(pixel & 0xff, (pixel >> 8) & 0xff, (pixel >> 16) & 0xff));
}

// A loop of its own for what JPEGs become: whole pixels, which compilers turn into vectors; sixteen at a turn, since a
// host that checks its clock does so at each.
void shades_of_rgbx(const std::uint8_t* from, std::size_t count, std::uint8_t* to) {
  constexpr std::size_t kUnrolled = 16;
  std::size_t done = 0;
  for (; done + kUnrolled <= count; done += kUnrolled) {
    for (std::size_t i = done; i < done + kUnrolled; ++i) {
      shade_of_rgbx(from + (4 * i), to + i);
    }
  }
  for (; done < count; ++done) {
    shade_of_rgbx(from + (4 * done), to + done);
  }
}

void shades(const std::uint8_t* from, unsigned channels, std::size_t count, std::uint8_t* to) {
  for (std::size_t i = 0; i < count; ++i, from += channels) {
    to[i] = channels < 3 ? from[0] : static_cast<std::uint8_t>(luma(from[0], from[1], from[2]));
  }
}

void shades_of_16_bits(const std::uint8_t* from, unsigned channels, std::size_t count, std::uint8_t* to) {
  for (std::size_t i = 0; i < count; ++i, from += std::size_t{channels} * 2) {
    std::array<std::uint16_t, 3> pixel = {};
    std::memcpy(pixel.data(), from, channels < 3 ? 2 : 6);
    const std::uint32_t shade = channels < 3 ? pixel[0] : luma(pixel[0], pixel[1], pixel[2]);
    *to++ = static_cast<std::uint8_t>(shade >> 8);
    *to++ = static_cast<std::uint8_t>(shade);
  }
}

class GraySink final : public image::RowSink {
 public:
  explicit GraySink(image::GrayPicture& picture) : picture_(picture) {}

  void take(std::uint32_t y, const image::Row& row) override {
    const std::size_t width = picture_.width;
    std::uint8_t* const to = picture_.samples.data() + (y * width * (picture_.bits / 8));
    if (row.bits == 16) {
      shades_of_16_bits(row.samples, row.channels, width, to);
    } else if (row.channels == 4) {
      shades_of_rgbx(row.samples, width, to);
    } else {
      shades(row.samples, row.channels, width, to);
    }
  }

 private:
  image::GrayPicture& picture_;
};

image::Result<image::GrayPicture> upright(image::GrayPicture stored, image::Orientation orientation) {
  if (orientation == image::Orientation{}) {
    return stored;
  }
  Buffer samples = Buffer::allocate(stored.samples.size());
  if (!samples) {
    return image::out_of_memory();
  }
  // Only JPEGs have an orientation, and those have 8 bits.
  image::make_upright(stored.samples.data(), stored.width, stored.height, orientation, samples.data());
  stored.samples = std::move(samples);
  if (orientation.transpose) {
    std::swap(stored.width, stored.height);
  }
  return stored;
}

}  // namespace

image::Result<Buffer> grayscale(image::Bytes picture) {
  const auto header = image::read_header(picture);
  if (!header) {
    return header.refusal();
  }
  image::GrayPicture stored = {.width = header->width, .height = header->height, .bits = header->bits, .samples = {}};
  stored.samples = Buffer::allocate(std::size_t{stored.width} * stored.height * (stored.bits / 8));
  if (!stored.samples) {
    return image::out_of_memory();
  }
  GraySink sink(stored);
  if (const auto decoded = image::decode(picture, *header, sink); !decoded) {
    return decoded.refusal();
  }
  const auto gray = upright(std::move(stored), header->orientation);
  if (!gray) {
    return gray.refusal();
  }
  return header->format == image::Format::kGif ? image::encode_gif(*gray) : image::encode_png(*gray);
}

}  // namespace grayscale
