#include "image/checksum.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "image/vector.h"

namespace image {
namespace {

// tables[k][b] is the checksum of byte b with k zeros behind it: eight bytes at a time need eight look-ups and no loop.
constexpr std::size_t kSlice = 8;
constexpr auto kCrcTables = [] {
  std::array<std::array<std::uint32_t, 256>, kSlice> tables = {};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320U : 0U);
    }
    tables[0][byte] = crc;
  }
  for (std::size_t k = 1; k < kSlice; ++k) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      tables[k][byte] = (tables[k - 1][byte] >> 8) ^ tables[0][tables[k - 1][byte] & 0xff];
    }
  }
  return tables;
}();

}  // namespace

std::uint32_t crc32(Bytes bytes, std::uint32_t before) {
  static_assert(std::endian::native == std::endian::little);
  std::uint32_t crc = ~before;
  const std::uint8_t* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= kSlice; left -= kSlice, at += kSlice) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, at, sizeof eight);
    eight ^= crc;
    crc = 0;
    for (std::size_t k = 0; k < kSlice; ++k) {
      crc ^= kCrcTables[kSlice - 1 - k][(eight >> (8 * k)) & 0xff];
    }
  }
  for (; left > 0; --left) {
    crc = (crc >> 8) ^ kCrcTables[0][(crc ^ *at++) & 0xff];
  }
  return ~crc;
}

std::uint32_t adler32(Bytes bytes) {
  constexpr std::uint32_t kModulus = 65521;
  constexpr std::uint32_t kColumns = sizeof(Vector);
  constexpr std::uint32_t kRows = 22;      // more, and a sum of sums could leave its 16 bits
  constexpr std::uint32_t kUnrolled = 11;  // a host that checks its clock does so at each turn of a loop
  std::uint32_t a = 1;
  std::uint32_t b = 0;
  for (; bytes.size() >= kRows * kColumns; bytes = bytes.subspan(kRows * kColumns)) {
    ColumnSums sum;
    ColumnSums sum_of_sums;
    for (std::size_t row = 0; row < kRows; row += kUnrolled) {
      for (std::size_t i = row; i < row + kUnrolled; ++i) {
        sum_of_sums.add(sum);
        sum.add(load(bytes.data() + (i * kColumns)));
      }
    }
    b += kRows * kColumns * a;
    for (std::uint32_t i = 0; i < kColumns; ++i) {
      b += (kColumns * sum_of_sums[i]) + ((kColumns - i) * sum[i]);
      a += sum[i];
    }
    a %= kModulus;
    b %= kModulus;
  }
  for (const std::uint8_t byte : bytes) {
    a += byte;
    b += a;
  }
  return ((b % kModulus) << 16) | (a % kModulus);
}

}  // namespace image
