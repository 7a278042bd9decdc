#include "image/decode.h"

#include <algorithm>
#include <array>
#include <climits>
#include <memory>
#include <string>
#include <type_traits>

#include "image/exif.h"

// The public interface of stb_image hands out whole pictures and takes the end of the file for zeros. What is below it
// tells where a file ends too early, and leaves a JPEG as planes that need not all become RGB at once.
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_GIF
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_FAILURE_USERMSG
#define STBI_ASSERT(x)
#ifdef __wasm_simd128__
#include <emmintrin.h>  // ours
#define __x86_64__ 1    // stb_image's door to its SSE2 kernels
#define STBI_NO_THREAD_LOCALS
#define memset(to, value, size) wasm_memset(to, value, size)
#include <stb/stb_image.h>
#undef memset
#undef __x86_64__
#else
#include <stb/stb_image.h>
#endif

namespace image {
namespace {

Refusal too_many_pixels() {
  return {"the picture is too large: at most " + std::to_string(kMaxPixels / 1'000'000) +
          " million pixels are accepted"};
}

/// A file in memory as stb_image reads it. The file is its first buffer, so stb_image only asks for more when it is at
/// the end.
class Source {
 public:
  explicit Source(Bytes file) {
    stbi__start_mem(&context_, file.data(), static_cast<int>(file.size()));
    context_.io = {.read = &read, .skip = &skip, .eof = &eof};
    context_.io_user_data = this;
    context_.read_from_callbacks = 1;
    context_.buflen = sizeof context_.buffer_start;
    stbi__g_failure_reason = kOutOfMemory;  // the one failure that stb_image does not always name
  }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  stbi__context* context() { return &context_; }

  /// Why reading failed.
  [[nodiscard]] Refusal refusal(Format format) const {
    if (ended_early_) {
      return {std::string("the ") + name_of(format) + " picture is cut short: the file ends before the picture does"};
    }
    const std::string reason = stbi_failure_reason();
    if (reason == kOutOfMemory) {
      return out_of_memory();
    }
    if (reason == "Image too large to decode" || reason == "Very large image (corrupt?)") {
      return too_many_pixels();
    }
    return {std::string("the ") + name_of(format) + " picture is damaged or of an unusual kind (" + reason + ")"};
  }
  [[nodiscard]] bool ended_early() const { return ended_early_; }

 private:
  static int read(void* self, char*, int) {
    static_cast<Source*>(self)->ended_early_ = true;
    return 0;
  }
  static void skip(void* self, int) { static_cast<Source*>(self)->ended_early_ = true; }
  static int eof(void*) { return 1; }

  static constexpr const char* kOutOfMemory = "Out of memory";
  stbi__context context_{};
  bool ended_early_ = false;
};

struct Free {
  void operator()(void* block) const { std::free(block); }
};

struct FreeJpeg {
  void operator()(stbi__jpeg* jpeg) const {
    stbi__cleanup_jpeg(jpeg);
    std::free(jpeg);
  }
};

/// One component of a decoded JPEG, scaled up to the width of the picture row by row.
class Component {
 public:
  Component(const stbi__jpeg& jpeg, int index)
      : plane_(jpeg.img_comp[index]),
        across_(jpeg.img_h_max / plane_.h),
        down_(jpeg.img_v_max / plane_.v),
        width_((static_cast<int>(jpeg.s->img_x) + across_ - 1) / across_),
        line_(Buffer::allocate(static_cast<std::size_t>(jpeg.s->img_x) + 4)),
        upsample_(upsampler(jpeg)) {}

  explicit operator bool() const { return static_cast<bool>(line_); }

  /// Valid until the next call.
  const std::uint8_t* row(int y) {
    const int near = y / down_;
    // With two rows for one, the nearer neighbour of an even row is above it and that of an odd row below.
    const int far = down_ == 2 ? std::clamp(near + ((y % 2) * 2) - 1, 0, plane_.y - 1) : near;
    return upsample_(line_.data(), plane_.data + (static_cast<std::ptrdiff_t>(near) * plane_.w2),
                     plane_.data + (static_cast<std::ptrdiff_t>(far) * plane_.w2), width_, across_);
  }

 private:
  [[nodiscard]] resample_row_func upsampler(const stbi__jpeg& jpeg) const {
    if (across_ == 1) {
      return down_ == 2 ? stbi__resample_row_v_2 : resample_row_1;
    }
    if (across_ == 2 && down_ <= 2) {
      return down_ == 2 ? jpeg.resample_row_hv_2_kernel : stbi__resample_row_h_2;
    }
    return stbi__resample_row_generic;
  }

  const std::remove_extent_t<decltype(stbi__jpeg::img_comp)>& plane_;
  int across_;  // pixels of the picture for one of the plane
  int down_;
  int width_;
  Buffer line_;
  resample_row_func upsample_;
};

enum class JpegColour { kGray, kRgb, kYcc, kCmyk, kYcck };

// Adobe's marker 14 says 0 for no transform, 2 for YCCK; without it three components are YCbCr unless they are named R,
// G, B.
JpegColour colour_of(const stbi__jpeg& jpeg) {
  switch (jpeg.s->img_n) {
    case 1:
      return JpegColour::kGray;
    case 3:
      return jpeg.rgb == 3 || (jpeg.app14_color_transform == 0 && jpeg.jfif == 0) ? JpegColour::kRgb : JpegColour::kYcc;
    default:
      return jpeg.app14_color_transform == 0   ? JpegColour::kCmyk
             : jpeg.app14_color_transform == 2 ? JpegColour::kYcck
                                               : JpegColour::kYcc;
  }
}

// Adobe stores inks inverted: a sample is the light that passes.
std::uint8_t light_through(unsigned light, unsigned ink) {
  return stbi__blinn_8x8(static_cast<stbi_uc>(light), static_cast<stbi_uc>(ink));
}

/// Turns one row of components into RGB and a fourth byte without meaning.
void to_rgbx(const stbi__jpeg& jpeg, JpegColour colour, const std::array<const std::uint8_t*, 4>& rows,
             std::uint8_t* rgbx) {
  const int width = static_cast<int>(jpeg.s->img_x);
  if (colour == JpegColour::kYcc || colour == JpegColour::kYcck) {
    jpeg.YCbCr_to_RGB_kernel(rgbx, rows[0], rows[1], rows[2], width, 4);
  }
  if (colour == JpegColour::kYcc) {
    return;
  }
  for (int x = 0; x < width; ++x, rgbx += 4) {
    for (unsigned i = 0; i < 3; ++i) {
      switch (colour) {
        case JpegColour::kCmyk:
          rgbx[i] = light_through(rows[i][x], rows[3][x]);
          break;
        case JpegColour::kYcck:
          rgbx[i] = light_through(255U - rgbx[i], rows[3][x]);
          break;
        default:
          rgbx[i] = rows[i][x];
      }
    }
  }
}

Result<Done> decode_jpeg(Source& source, RowSink& sink) {
  const std::unique_ptr<stbi__jpeg, FreeJpeg> jpeg(static_cast<stbi__jpeg*>(std::calloc(1, sizeof(stbi__jpeg))));
  if (jpeg == nullptr) {
    return out_of_memory();
  }
  jpeg->s = source.context();
  stbi__setup_jpeg(jpeg.get());
  if (stbi__decode_jpeg_image(jpeg.get()) == 0 || source.ended_early()) {
    return source.refusal(Format::kJpeg);
  }
  const JpegColour colour = colour_of(*jpeg);
  const int components = jpeg->s->img_n;
  std::array<std::unique_ptr<Component>, 4> planes;
  for (int i = 0; i < components; ++i) {
    planes[static_cast<unsigned>(i)] = std::make_unique<Component>(*jpeg, i);
    if (!*planes[static_cast<unsigned>(i)]) {
      return out_of_memory();
    }
  }
  Buffer rgbx = Buffer::allocate(static_cast<std::size_t>(jpeg->s->img_x) * 4);
  if (!rgbx) {
    return out_of_memory();
  }
  for (std::uint32_t y = 0; y < jpeg->s->img_y; ++y) {
    std::array<const std::uint8_t*, 4> rows = {};
    for (unsigned i = 0; i < static_cast<unsigned>(components); ++i) {
      rows[i] = planes[i]->row(static_cast<int>(y));
    }
    if (colour == JpegColour::kGray) {
      sink.take(y, {.samples = rows[0], .bits = 8, .channels = 1});
    } else {
      to_rgbx(*jpeg, colour, rows, rgbx.data());
      sink.take(y, {.samples = rgbx.data(), .bits = 8, .channels = 4});
    }
  }
  return Done{};
}

Result<Done> decode_whole(Source& source, Format format, RowSink& sink) {
  int width = 0;
  int height = 0;
  int channels = 0;
  stbi__result_info info = {.bits_per_channel = 8, .num_channels = 0, .channel_order = 0};
  const auto load = format == Format::kPng ? stbi__png_load : format == Format::kGif ? stbi__gif_load : stbi__bmp_load;
  const std::unique_ptr<void, Free> pixels(load(source.context(), &width, &height, &channels, 0, &info));
  if (pixels == nullptr || source.ended_early()) {
    return source.refusal(format);
  }
  if (format == Format::kGif) {
    channels = 4;  // what the file has, stb_image says; what it gives is this
  }
  const auto* samples = static_cast<const std::uint8_t*>(pixels.get());
  const std::size_t stride =
      static_cast<std::size_t>(width) * static_cast<unsigned>(channels * info.bits_per_channel / 8);
  for (int y = 0; y < height; ++y, samples += stride) {
    sink.take(static_cast<std::uint32_t>(y), {.samples = samples,
                                              .bits = static_cast<unsigned>(info.bits_per_channel),
                                              .channels = static_cast<unsigned>(channels)});
  }
  return Done{};
}

}  // namespace

Result<Header> read_header(Bytes file) {
  const Result<Format> format = recognise(file);
  if (!format) {
    return format.refusal();
  }
  if (file.size() > INT_MAX) {
    return out_of_memory();
  }
  Source source(file);
  int width = 0;
  int height = 0;
  int channels = 0;
  const auto info = *format == Format::kJpeg  ? stbi__jpeg_info
                    : *format == Format::kPng ? stbi__png_info
                    : *format == Format::kGif ? stbi__gif_info
                                              : stbi__bmp_info;
  if (info(source.context(), &width, &height, &channels) == 0 || source.ended_early()) {
    return source.refusal(*format);
  }
  const auto columns = static_cast<std::uint64_t>(width);
  const auto rows =
      static_cast<std::uint64_t>(std::abs(static_cast<std::int64_t>(height)));  // negative: a BMP from top to bottom
  if (width <= 0 || rows == 0 || columns * rows > kMaxPixels) {
    return too_many_pixels();
  }
  Source again(file);
  return Header{.format = *format,
                .width = static_cast<std::uint32_t>(columns),
                .height = static_cast<std::uint32_t>(rows),
                .bits = *format == Format::kPng && stbi__png_is16(again.context()) != 0 ? 16U : 8U,
                .orientation = *format == Format::kJpeg ? orientation_of_jpeg(file) : Orientation{}};
}

Result<Done> decode(Bytes file, const Header& header, RowSink& sink) {
  Source source(file);
  return header.format == Format::kJpeg ? decode_jpeg(source, sink) : decode_whole(source, header.format, sink);
}

}  // namespace image
