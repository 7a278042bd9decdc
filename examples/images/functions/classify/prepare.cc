#include "classify/prepare.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "image/decode.h"

namespace classify {
namespace {

using Pixel = std::array<float, kChannels>;
using Vector = float __attribute__((vector_size(16)));  // red, green, blue and one without meaning

/// Which of the samples on a line make one sample of the scaled line, and how much each counts.
struct Taps {
  std::size_t first;
  std::vector<float> weights;  // sum to 1

  [[nodiscard]] std::size_t end() const { return first + weights.size(); }
};

/// A triangle filter from `from` samples to kSide, as wide as two of the larger samples.
std::vector<Taps> make_taps(std::size_t from) {
  const double scale = static_cast<double>(from) / kSide;
  const double reach = std::max(scale, 1.0);
  std::vector<Taps> all;
  all.reserve(kSide);
  for (std::size_t i = 0; i < kSide; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const auto first = static_cast<std::size_t>(std::max(0.0, std::floor(centre - reach)));
    const std::size_t end = std::min(from, static_cast<std::size_t>(std::ceil(centre + reach)));
    Taps taps = {.first = first, .weights = std::vector<float>(end - first)};
    double sum = 0;
    const auto weight = [&](std::size_t at) {
      return std::max(0.0, 1 - (std::abs(static_cast<double>(at) + 0.5 - centre) / reach));
    };
    for (std::size_t at = first; at < end; ++at) {
      sum += weight(at);
    }
    for (std::size_t at = first; at < end; ++at) {
      taps.weights[at - first] = static_cast<float>(weight(at) / sum);
    }
    all.push_back(std::move(taps));
  }
  return all;
}

/// Scales the square in the middle of a picture while its rows come in: each row is scaled at once and added, by its
/// weight, to the few rows of the result that it is part of. So a picture of any size needs no more memory than the
/// result.
class MiddleSink final : public image::RowSink {
 public:
  MiddleSink(std::uint32_t width, std::uint32_t height)
      : side_(std::max<std::size_t>(1, std::min(width, height) * kSide / (kSide + 32))),
        left_((width - side_ + 1) / 2),
        top_((height - side_ + 1) / 2),
        taps_(make_taps(side_)),
        row_(side_),
        scaled_row_(kSide * kChannels),
        result_(kSide * kSide * kChannels) {}

  void take(std::uint32_t y, const image::Row& row) override {
    if (y < top_ || y - top_ >= side_) {
      return;
    }
    const std::size_t at = y - top_;
    widen(row);
    scale_row();
    while (taps_[first_open_].end() <= at) {
      ++first_open_;
    }
    for (std::size_t i = first_open_; i < kSide && taps_[i].first <= at; ++i) {
      const float weight = at < taps_[i].end() ? taps_[i].weights[at - taps_[i].first] : 0;
      float* const to = result_.data() + (i * kSide * kChannels);
      for (std::size_t sample = 0; sample < kSide * kChannels; ++sample) {
        to[sample] += weight * scaled_row_[sample];
      }
    }
  }

  /// After the last row: samples of 0 to 255.
  std::vector<float>& result() { return result_; }

 private:
  /// Turns the square's part of a row into vectors.
  void widen(const image::Row& row) {
    const std::size_t sample_size = row.bits / 8;
    const std::size_t high_byte = sample_size - 1;  // 8 of 16 bits are enough here
    const std::size_t pixel_size = row.channels * sample_size;
    const std::size_t next = row.channels < 3 ? 0 : sample_size;  // gray is red, green and blue
    const std::uint8_t* from = row.samples + (left_ * pixel_size) + high_byte;
    for (std::size_t x = 0; x < side_; ++x, from += pixel_size) {
      row_[x] =
          Vector{static_cast<float>(from[0]), static_cast<float>(from[next]), static_cast<float>(from[2 * next]), 0};
    }
  }

  void scale_row() {
    float* to = scaled_row_.data();
    for (const Taps& taps : taps_) {
      Vector sum = {};
      const Vector* from = row_.data() + taps.first;
      for (const float weight : taps.weights) {
        sum += weight * *from++;
      }
      std::memcpy(to, &sum, kChannels * sizeof(float));
      to += kChannels;
    }
  }

  std::size_t side_;  // of the square, in pixels of the picture
  std::size_t left_;
  std::size_t top_;
  std::vector<Taps> taps_;  // for rows and columns alike
  std::size_t first_open_ = 0;
  std::vector<Vector> row_;
  std::vector<float> scaled_row_;
  std::vector<float> result_;
};

std::vector<float> upright(std::vector<float> samples, image::Orientation orientation) {
  if (orientation == image::Orientation{}) {
    return samples;
  }
  std::vector<float> turned(samples.size());
  static_assert(sizeof(Pixel) == kChannels * sizeof(float));
  image::make_upright(reinterpret_cast<const Pixel*>(samples.data()), kSide, kSide, orientation,
                      reinterpret_cast<Pixel*>(turned.data()));
  return turned;
}

}  // namespace

image::Result<std::vector<float>> prepare(image::Bytes picture) {
  const auto header = image::read_header(picture);
  if (!header) {
    return header.refusal();
  }
  MiddleSink sink(header->width, header->height);
  if (const auto decoded = image::decode(picture, *header, sink); !decoded) {
    return decoded.refusal();
  }
  for (float& sample : sink.result()) {
    sample = (sample - 127) / 128;
  }
  return upright(std::move(sink.result()), header->orientation);
}

}  // namespace classify
