#include "image/gif.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace image {
namespace {

constexpr unsigned kClear = 256;
constexpr unsigned kEnd = 257;
constexpr unsigned kFirstCode = 258;
constexpr unsigned kCodes = 4096;
constexpr unsigned kFirstWidth = 9;
constexpr unsigned kMaxWidth = 12;

/// Writes bytes in blocks of at most 255 with their length before them, into memory that is large enough.
class BlockWriter {
 public:
  explicit BlockWriter(std::uint8_t* to) : length_(to), to_(to + 1) {}

  void put(std::uint8_t byte) {
    *to_++ = byte;
    if (to_ - length_ == 256) {
      close();
    }
  }
  /// Writes the last block and the empty one that ends them all. \return what stands behind it
  std::uint8_t* finish() {
    if (to_ - length_ > 1) {
      close();
    }
    *length_ = 0;
    return to_;
  }

 private:
  void close() {
    *length_ = static_cast<std::uint8_t>(to_ - length_ - 1);
    length_ = to_++;
  }

  std::uint8_t* length_;
  std::uint8_t* to_;
};

/// Strings of pixels and their codes: a string is a known one, by its code, with one pixel more.
class Dictionary {
 public:
  void clear() { slots_.fill(kEmpty); }

  /// \return the code of the string, or 0 if it is not known; then it is known by `code` from now on
  unsigned find_or_add(unsigned prefix, std::uint8_t pixel, unsigned code) {
    const std::uint32_t key = (prefix << 8) | pixel;
    for (std::uint32_t slot = (key * 0x9e3779b1U) >> (32 - kSlotBits);; slot = (slot + 1) % kSlots) {
      std::uint32_t& entry = slots_[slot];
      if (entry == kEmpty) {
        entry = (key << kMaxWidth) | code;
        return 0;
      }
      if (entry >> kMaxWidth == key) {
        return entry % kCodes;
      }
    }
  }

 private:
  static constexpr unsigned kSlotBits = 13;  // at most half of the slots are ever taken
  static constexpr std::uint32_t kSlots = 1U << kSlotBits;
  static constexpr std::uint32_t kEmpty = 0;  // no entry is: codes of strings are never 0
  std::array<std::uint32_t, kSlots> slots_;
};

class LzwEncoder {
 public:
  explicit LzwEncoder(BlockWriter& writer) : writer_(writer) {}

  /// At least one pixel.
  void encode(Bytes pixels) {
    restart();
    unsigned prefix = pixels.front();
    for (const std::uint8_t pixel : pixels.subspan(1)) {
      if (const unsigned code = dictionary_.find_or_add(prefix, pixel, next_); code != 0) {
        prefix = code;
        continue;
      }
      put(prefix);
      prefix = pixel;
      count_code();
      if (next_ == kCodes) {
        restart();
      }
    }
    put(prefix);
    count_code();  // the decoder adds one for the last string
    put(kEnd);
    while (filled_ > 0) {
      put_byte();
    }
  }

 private:
  void restart() {
    put(kClear);
    dictionary_.clear();
    next_ = kFirstCode;
    width_ = kFirstWidth;
  }
  /// The decoder learns a code one step later than it is given here, so a width is enough until its first code is
  /// taken.
  void count_code() {
    if (next_++ == 1U << width_ && width_ < kMaxWidth) {
      ++width_;
    }
  }
  void put(unsigned code) {
    register_ |= code << filled_;
    filled_ += width_;
    while (filled_ >= 8) {
      put_byte();
    }
  }
  void put_byte() {
    writer_.put(static_cast<std::uint8_t>(register_));
    register_ >>= 8;
    filled_ -= std::min(filled_, 8U);
  }

  BlockWriter& writer_;
  Dictionary dictionary_;
  unsigned next_ = kFirstCode;
  unsigned width_ = kFirstWidth;
  std::uint32_t register_ = 0;
  unsigned filled_ = 0;
};

}  // namespace

Result<Buffer> encode_gif(const GrayPicture& picture) {
  constexpr std::size_t kColours = 256;
  constexpr std::size_t kHead = 13 + (3 * kColours) + 10 + 1;
  const std::size_t pixels = std::size_t{picture.width} * picture.height;
  // At worst each pixel is a code of 12 bits; some codes more for clearing, and one byte of each 256 is a length.
  const std::size_t codes = pixels + (pixels / (kCodes - kFirstCode)) + 3;
  const std::size_t bytes = (codes * kMaxWidth / 8) + 1;
  Buffer file = Buffer::allocate(kHead + bytes + (bytes / 255) + 3);
  if (!file) {
    return out_of_memory();
  }
  const auto low = [](std::uint32_t value) { return static_cast<std::uint8_t>(value); };
  const auto high = [](std::uint32_t value) { return static_cast<std::uint8_t>(value >> 8); };
  const std::array<std::uint8_t, 4> size = {low(picture.width), high(picture.width), low(picture.height),
                                            high(picture.height)};

  std::uint8_t* to = file.data();
  to = std::copy_n("GIF89a", 6, to);
  to = std::copy(size.begin(), size.end(), to);
  *to++ = 0xf7;  // a table of 256 colours, 8 bits each
  *to++ = 0;     // background
  *to++ = 0;     // square pixels
  for (std::uint32_t shade = 0; shade < kColours; ++shade) {
    to = std::fill_n(to, 3, low(shade));
  }
  *to++ = ',';  // the frame, at 0, 0
  to = std::fill_n(to, 4, std::uint8_t{0});
  to = std::copy(size.begin(), size.end(), to);
  *to++ = 0;  // no table of its own, not interlaced
  *to++ = kFirstWidth - 1;
  BlockWriter blocks(to);
  LzwEncoder(blocks).encode(picture.samples);
  to = blocks.finish();
  *to++ = ';';
  if (!file.resize(static_cast<std::size_t>(to - file.data()))) {
    return out_of_memory();
  }
  return file;
}

}  // namespace image
