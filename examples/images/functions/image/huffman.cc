#include "image/huffman.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace image {
namespace {

constexpr unsigned kMaxLength = 15;

struct Leaf {
  std::uint32_t count;
  std::uint16_t symbol;
};

/// Says how many leaves of the Huffman tree are how deep; what is deeper than `max_length` is counted there. The leaves
/// are sorted by count. Two queues, of leaves and of inner nodes, both ascending, give the two smallest without a heap.
std::array<std::uint32_t, kMaxLength + 1> leaves_by_depth(std::span<const Leaf> leaves, unsigned max_length) {
  std::array<std::uint32_t, kMaxHuffmanSymbols> weight;
  std::array<std::uint16_t, kMaxHuffmanSymbols * 2> parent;  // of leaf i at i, of inner node i at leaves.size() + i
  const std::size_t inner_nodes = leaves.size() - 1;
  std::size_t next_leaf = 0;
  std::size_t next_inner = 0;
  for (std::size_t made = 0; made < inner_nodes; ++made) {
    weight[made] = 0;
    for (int child = 0; child < 2; ++child) {
      const bool take_leaf =
          next_inner == made || (next_leaf < leaves.size() && leaves[next_leaf].count <= weight[next_inner]);
      weight[made] += take_leaf ? leaves[next_leaf].count : weight[next_inner];
      parent[take_leaf ? next_leaf++ : leaves.size() + next_inner++] = static_cast<std::uint16_t>(made);
    }
  }
  std::array<std::uint16_t, kMaxHuffmanSymbols> depth;
  depth[inner_nodes - 1] = 0;
  for (std::size_t i = inner_nodes - 1; i-- > 0;) {
    depth[i] = static_cast<std::uint16_t>(depth[parent[leaves.size() + i]] + 1);
  }
  std::array<std::uint32_t, kMaxLength + 1> leaves_at = {};
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    ++leaves_at[std::min<unsigned>(depth[parent[i]] + 1U, max_length)];
  }
  return leaves_at;
}

/// Cutting at `max_length` has put too many leaves there. Lengthens shorter codes until the code is complete again.
void make_complete(std::array<std::uint32_t, kMaxLength + 1>& leaves_at, unsigned max_length) {
  std::uint32_t used = 0;  // in units of a code of max_length
  for (unsigned length = 1; length <= max_length; ++length) {
    used += leaves_at[length] << (max_length - length);
  }
  for (; used > (1U << max_length); --used) {
    unsigned shorter = max_length - 1;
    while (leaves_at[shorter] == 0) {
      --shorter;
    }
    // One code becomes the prefix of two: itself and one taken from the bottom.
    --leaves_at[shorter];
    leaves_at[shorter + 1] += 2;
    --leaves_at[max_length];
  }
}

std::uint16_t reversed(unsigned bits, unsigned length) {
  unsigned result = 0;
  for (unsigned i = 0; i < length; ++i) {
    result = (result << 1) | ((bits >> i) & 1);
  }
  return static_cast<std::uint16_t>(result);
}

}  // namespace

void make_huffman_code(std::span<const std::uint32_t> counts, unsigned max_length, std::span<HuffmanCode> code) {
  std::array<Leaf, kMaxHuffmanSymbols> all;
  std::size_t used = 0;
  for (std::size_t symbol = 0; symbol < counts.size(); ++symbol) {
    code[symbol] = {.bits = 0, .length = 0};
    if (counts[symbol] != 0) {
      all[used++] = {.count = counts[symbol], .symbol = static_cast<std::uint16_t>(symbol)};
    }
  }
  const std::span<Leaf> leaves(all.data(), used);
  if (used < 2) {
    for (const Leaf& leaf : leaves) {
      code[leaf.symbol].length = 1;
    }
    return;
  }
  std::sort(leaves.begin(), leaves.end(),
            [](const Leaf& a, const Leaf& b) { return a.count != b.count ? a.count < b.count : a.symbol < b.symbol; });
  auto leaves_at = leaves_by_depth(leaves, max_length);
  make_complete(leaves_at, max_length);

  auto leaf = leaves.begin();  // the rarest get the longest codes
  for (unsigned length = max_length; length > 0; --length) {
    for (std::uint32_t i = 0; i < leaves_at[length]; ++i, ++leaf) {
      code[leaf->symbol].length = static_cast<std::uint16_t>(length);
    }
  }
  std::array<unsigned, kMaxLength + 2> next = {};
  for (unsigned length = 1; length <= max_length; ++length) {
    next[length + 1] = (next[length] + leaves_at[length]) << 1;
  }
  for (HuffmanCode& entry : code.first(counts.size())) {
    if (entry.length != 0) {
      entry.bits = reversed(next[entry.length]++, entry.length);
    }
  }
}

}  // namespace image
