/// \file  Sixteen bytes at a time, in the vector types that g++ and clang share: SSE2 on a PC, SIMD-128 in WebAssembly.
#pragma once
#include <cstdint>
#include <cstring>

namespace image {

using Vector = std::uint8_t __attribute__((vector_size(16)));

/// Sums of sixteen columns of bytes, in 16 bits each.
class ColumnSums {
 public:
  void add(Vector vector) {
    low_ += __builtin_convertvector(__builtin_shufflevector(vector, vector, 0, 1, 2, 3, 4, 5, 6, 7), Half);
    high_ += __builtin_convertvector(__builtin_shufflevector(vector, vector, 8, 9, 10, 11, 12, 13, 14, 15), Half);
  }
  void add(const ColumnSums& sums) {
    low_ += sums.low_;
    high_ += sums.high_;
  }
  std::uint32_t operator[](std::uint32_t column) const { return column < 8 ? low_[column] : high_[column - 8]; }

 private:
  using Half = std::uint16_t __attribute__((vector_size(16)));
  Half low_ = {};
  Half high_ = {};
};

inline Vector load(const std::uint8_t* from) {
  Vector vector;
  std::memcpy(&vector, from, sizeof vector);
  return vector;
}
inline void store(std::uint8_t* to, Vector vector) {
  std::memcpy(to, &vector, sizeof vector);
}

inline Vector min(Vector a, Vector b) {
  return a < b ? a : b;
}
inline Vector max(Vector a, Vector b) {
  return a > b ? a : b;
}

}  // namespace image
