#include "image/png.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "image/checksum.h"
#include "image/deflate.h"
#include "image/vector.h"

namespace image {
namespace {

using Byte = std::uint8_t;

Vector distance(Vector a, Vector b) {
  return max(a, b) - min(a, b);
}

// The filters (section 9.2) by their numbers. Each predicts bytes from those left, above, and above left of them.
Vector predict_left(Vector left, Vector, Vector) {
  return left;
}
Vector predict_above(Vector, Vector above, Vector) {
  return above;
}
Vector predict_average(Vector left, Vector above, Vector) {
  return (left & above) + ((left ^ above) >> 1);
}
Vector predict_paeth(Vector left, Vector above, Vector above_left) {
  // How far the estimate left + above - above_left is from each of the three. If above_left does not lie between the
  // others, it is farther away than they are.
  const Vector to_left = distance(above, above_left);
  const Vector to_above = distance(left, above_left);
  const Vector beside = reinterpret_cast<Vector>((left > above_left) == (above > above_left));
  const Vector to_above_left = distance(to_left, to_above) | beside;
  const Vector vertical = to_above <= to_above_left ? above : above_left;
  return to_left <= min(to_above, to_above_left) ? left : vertical;
}

// Rows are kept in whole strides, with zeros before and behind them. A stride is four vectors, not one: a host that
// checks its clock does so at each turn of a loop.
constexpr std::size_t kStride = 4 * sizeof(Vector);
constexpr std::size_t kMargin = sizeof(Vector);

/// Writes what `kPredict` leaves of each byte of a row, and of what is behind it up to a whole stride.
/// \return the sum of the differences' sizes, by which filters are compared (section 12.7)
template <Vector (*kPredict)(Vector, Vector, Vector)>
std::uint32_t filter(const Byte* row, const Byte* above, std::size_t size, std::size_t pixel_size, Byte* to) {
  constexpr std::size_t kPart = 64 * kStride;  // so that the sums stay in 16 bits
  std::uint32_t total = 0;
  for (std::size_t part = 0; part < size; part += kPart) {
    ColumnSums sum;
    for (std::size_t stride = part; stride < std::min(size, part + kPart); stride += kStride) {
      for (std::size_t x = stride; x < stride + kStride; x += sizeof(Vector)) {
        const Vector prediction = kPredict(load(row + x - pixel_size), load(above + x), load(above + x - pixel_size));
        const Vector difference = load(row + x) - prediction;
        store(to + x, difference);
        sum.add(min(difference, -difference));
      }
    }
    for (std::uint32_t i = 0; i < sizeof(Vector); ++i) {
      total += sum[i];
    }
  }
  return total;
}

/// The current row, the one above it, and the current one filtered in each way.
class RowFilter {
 public:
  RowFilter(std::size_t size, std::size_t pixel_size)
      : size_(size),
        pixel_size_(pixel_size),
        padded_((size + kStride - 1) / kStride * kStride),
        memory_(Buffer::allocate((2 * (kMargin + padded_)) + (kFilters * padded_))) {
    if (memory_) {
      std::memset(memory_.data(), 0, 2 * (kMargin + padded_));
      above_ = memory_.data() + kMargin;
      row_ = above_ + padded_ + kMargin;
      filtered_ = row_ + padded_;
    }
  }

  explicit operator bool() const { return static_cast<bool>(memory_); }

  /// Writes the number of the filter that fits best, then the row in it: 1 + size bytes.
  void write(const Byte* samples, Byte* to) {
    std::memcpy(row_, samples, size_);
    const std::array<std::uint32_t, kFilters> sums = {
        filter<predict_left>(row_, above_, size_, pixel_size_, filtered(0)),
        filter<predict_above>(row_, above_, size_, pixel_size_, filtered(1)),
        filter<predict_average>(row_, above_, size_, pixel_size_, filtered(2)),
        filter<predict_paeth>(row_, above_, size_, pixel_size_, filtered(3)),
    };
    const auto best = static_cast<std::size_t>(std::min_element(sums.begin(), sums.end()) - sums.begin());
    to[0] = static_cast<Byte>(best + 1);
    std::memcpy(to + 1, filtered(best), size_);
    std::swap(row_, above_);
  }

 private:
  static constexpr std::size_t kFilters = 4;
  Byte* filtered(std::size_t index) { return filtered_ + (index * padded_); }

  std::size_t size_;
  std::size_t pixel_size_;
  std::size_t padded_;
  Buffer memory_;
  Byte* above_ = nullptr;
  Byte* row_ = nullptr;
  Byte* filtered_ = nullptr;
};

class ChunkWriter {
 public:
  explicit ChunkWriter(Byte* to) : to_(to) {}

  void bytes(Bytes bytes) {
    if (!bytes.empty()) {
      std::memcpy(to_, bytes.data(), bytes.size());
      to_ += bytes.size();
    }
  }
  void number(std::size_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      *to_++ = static_cast<Byte>(value >> shift);
    }
  }
  void chunk(const char (&name)[5], Bytes content) {
    number(content.size());
    const Byte* const begin = to_;
    bytes({reinterpret_cast<const Byte*>(name), 4});
    bytes(content);
    number(crc32({begin, to_}));
  }

 private:
  Byte* to_;
};

}  // namespace

Result<Buffer> encode_png(const GrayPicture& picture) {
  const std::size_t pixel_size = picture.bits / 8;
  const std::size_t stride = picture.width * pixel_size;
  Buffer compressed;
  {
    Buffer filtered = Buffer::allocate((stride + 1) * picture.height);
    RowFilter filter(stride, pixel_size);
    if (!filtered || !filter) {
      return out_of_memory();
    }
    for (std::size_t y = 0; y < picture.height; ++y) {
      filter.write(picture.samples.data() + (y * stride), filtered.data() + (y * (stride + 1)));
    }
    compressed = compress(filtered);
  }
  constexpr std::array<Byte, 8> kSignature = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  constexpr std::size_t kChunk = 12;
  constexpr std::size_t kHeader = 13;
  Buffer file = Buffer::allocate(kSignature.size() + (3 * kChunk) + kHeader + compressed.size());
  if (!compressed || !file) {
    return out_of_memory();
  }
  std::array<Byte, kHeader> header = {};  // colour type 0 (gray), deflate, the five filters, not interlaced
  ChunkWriter sizes(header.data());
  sizes.number(picture.width);
  sizes.number(picture.height);
  header[8] = static_cast<Byte>(picture.bits);

  ChunkWriter writer(file.data());
  writer.bytes(kSignature);
  writer.chunk("IHDR", header);
  writer.chunk("IDAT", compressed);
  writer.chunk("IEND", {});
  return file;
}

}  // namespace image
