#include "image/huffman.h"

#include <array>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

namespace image {
namespace {

std::vector<HuffmanCode> code_for(const std::vector<std::uint32_t>& counts, unsigned max_length) {
  std::vector<HuffmanCode> code(counts.size());
  make_huffman_code(counts, max_length, code);
  return code;
}

/// The part of all bit strings of `max_length` that begin with a code: all of them if the code is complete.
std::uint32_t coverage(const std::vector<HuffmanCode>& code, unsigned max_length) {
  std::uint32_t sum = 0;
  for (const HuffmanCode& entry : code) {
    sum += entry.length == 0 ? 0 : 1U << (max_length - entry.length);
  }
  return sum;
}

TEST(HuffmanCode, GivesFrequentSymbolsShortCodes) {
  const auto code = code_for({8, 4, 2, 1, 1}, 15);
  const std::array<unsigned, 5> lengths = {1, 2, 3, 4, 4};
  const std::array<unsigned, 5> bits = {0b0, 0b01, 0b011, 0b0111, 0b1111};  // RFC 1951's order, first bit lowest
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    EXPECT_EQ(code[i].length, lengths[i]) << i;
    EXPECT_EQ(code[i].bits, bits[i]) << i;
  }
}

TEST(HuffmanCode, LeavesOutWhatDoesNotOccur) {
  const auto code = code_for({0, 5, 0, 5, 0}, 15);
  EXPECT_EQ(code[0].length + code[2].length + code[4].length, 0);
  EXPECT_EQ(code[1].length, 1);
  EXPECT_EQ(code[3].length, 1);
}

TEST(HuffmanCode, OfOneSymbolIsOneBit) {
  EXPECT_EQ(code_for({0, 7}, 15)[1].length, 1);
  EXPECT_EQ(code_for({0, 0}, 15)[0].length, 0);
}

TEST(HuffmanCode, StaysWithinItsLongestLengthAndComplete) {
  std::vector<std::uint32_t> fibonacci = {1, 1};  // the counts that make the deepest tree
  while (fibonacci.size() < 30) {
    fibonacci.push_back(fibonacci[fibonacci.size() - 1] + fibonacci[fibonacci.size() - 2]);
  }
  for (const unsigned max_length : {5U, 7U, 14U, 15U}) {
    const auto code = code_for(fibonacci, max_length);
    EXPECT_EQ(coverage(code, max_length), 1U << max_length);
    for (const HuffmanCode& entry : code) {
      EXPECT_GE(entry.length, 1U);
      EXPECT_LE(entry.length, max_length);
    }
  }
}

TEST(HuffmanCode, TakesAsManySymbolsAsThereAre) {
  std::vector<std::uint32_t> counts(kMaxHuffmanSymbols);
  std::iota(counts.begin(), counts.end(), 1);
  EXPECT_EQ(coverage(code_for(counts, 14), 14), 1U << 14);
}

}  // namespace
}  // namespace image
