/// \file  Length-limited canonical Huffman codes as deflate wants them (RFC 1951, section 3.2.2).
#pragma once
#include <cstdint>
#include <span>

namespace image {

struct HuffmanCode {
  std::uint16_t bits;    ///< the code, its first bit lowest
  std::uint16_t length;  ///< in bits, 0 for a symbol that does not occur
};

constexpr std::size_t kMaxHuffmanSymbols = 288;

/// Makes the code for symbols that occur `counts[i]` times each. At most kMaxHuffmanSymbols, and so few occurrences
/// that their sum fits into 32 bits; `max_length` is enough for the symbols (2^max_length of them) and at most 15.
void make_huffman_code(std::span<const std::uint32_t> counts, unsigned max_length, std::span<HuffmanCode> code);

}  // namespace image
