#include "image/deflate.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <new>
#include <span>

#include "image/checksum.h"
#include "image/huffman.h"

namespace image {
namespace {

constexpr std::size_t kBlock = 65535;  // what a stored block can hold, should nothing else be shorter
constexpr std::size_t kMinMatch =
    24;  // measured: in filtered pixels shorter ones cost more bytes and time than they save
constexpr std::size_t kMaxMatch = 258;
constexpr std::size_t kWindow = 32768;
constexpr std::size_t kEndOfBlock = 256;
constexpr std::size_t kLiteralSymbols = 286;
constexpr std::size_t kDistanceSymbols = 30;
constexpr std::uint32_t kUnrolled = 16;  // literals for each turn of a hot loop: a host checks its clock once a turn
constexpr unsigned kMaxCodeLength = 14;  // so that four literals fit into the writer's register

std::uint64_t load64(const std::uint8_t* at) {
  std::uint64_t value = 0;
  std::memcpy(&value, at, sizeof value);
  return value;
}

/// Some literals, then a copy of what came `distance` bytes earlier; the last of a block may have length 0.
struct Sequence {
  std::uint32_t literals;
  std::uint16_t length;
  std::uint16_t distance;
};

/// Symbol and extra bits of a match length or distance (RFC 1951, section 3.2.5).
struct Symbol {
  unsigned symbol;
  unsigned extra_bits;
  unsigned extra;
};

// After the first few, 2^`steps` symbols share each power of two.
Symbol symbol_of(unsigned value, unsigned steps) {
  if (value < (2U << steps)) {
    return {.symbol = value, .extra_bits = 0, .extra = 0};
  }
  const auto power = static_cast<unsigned>(std::bit_width(value)) - 1;
  const unsigned extra_bits = power - steps;
  return {.symbol = (extra_bits << steps) + (value >> extra_bits),
          .extra_bits = extra_bits,
          .extra = value & ((1U << extra_bits) - 1)};
}

Symbol length_symbol(unsigned length) {
  if (length == kMaxMatch) {
    return {.symbol = kLiteralSymbols - 1, .extra_bits = 0, .extra = 0};
  }
  Symbol symbol = symbol_of(length - 3, 2);
  symbol.symbol += kEndOfBlock + 1;
  return symbol;
}

Symbol distance_symbol(unsigned distance) {
  return symbol_of(distance - 1, 1);
}

/// Finds long repeats. A table says where each hash of 8 bytes stood last; where nothing repeats it looks at fewer and
/// fewer places.
class Matcher {
 public:
  explicit Matcher(Bytes input) : input_(input) {}

  static constexpr std::size_t kMaxSequences = (kBlock / kMinMatch) + 1;

  /// Splits the bytes from `begin` to `end`, at most a block, into sequences. \return how many, at most kMaxSequences
  std::size_t split(std::size_t begin, std::size_t end, std::span<Sequence> sequences) {
    std::size_t used = 0;
    std::size_t anchor = begin;  // where the literals not yet in a sequence begin
    // The last bytes are left alone: hashing and comparing read 8 bytes at a time.
    for (std::size_t at = begin; at + sizeof(std::uint64_t) <= end;) {
      const std::size_t candidate = exchange(at);
      const std::size_t length = candidate < at && at - candidate <= kWindow ? match(candidate, at, end) : 0;
      if (length < kMinMatch) {
        at += 1 + std::min<std::size_t>((at - anchor) >> 6, kMaxStep);
        continue;
      }
      std::size_t before = 0;  // what a step has jumped over
      while (at - before > anchor && candidate > before && length + before < kMaxMatch &&
             input_[at - before - 1] == input_[candidate - before - 1]) {
        ++before;
      }
      sequences[used++] = {.literals = static_cast<std::uint32_t>(at - before - anchor),
                           .length = static_cast<std::uint16_t>(length + before),
                           .distance = static_cast<std::uint16_t>(at - candidate)};
      at += length;
      anchor = at;
    }
    sequences[used++] = {.literals = static_cast<std::uint32_t>(end - anchor), .length = 0, .distance = 0};
    return used;
  }

 private:
  static constexpr unsigned kHashBits = 13;
  static constexpr std::size_t kMaxStep = 31;

  /// Notes `at` for its hash. \return what stood there, `at` itself or more if nothing did
  std::size_t exchange(std::size_t at) {
    std::uint32_t& entry = last_[(load64(input_.data() + at) * 0x9e3779b97f4a7c15U) >> (64 - kHashBits)];
    const std::size_t candidate = static_cast<std::size_t>(entry) - 1;  // 0 is for never: wraps to the largest
    entry = static_cast<std::uint32_t>(at + 1);
    return candidate;
  }

  [[nodiscard]] std::size_t match(std::size_t candidate, std::size_t at, std::size_t end) const {
    const std::size_t limit = std::min(kMaxMatch, end - at);
    std::size_t length = 0;
    while (length + sizeof(std::uint64_t) <= limit) {
      const std::uint64_t difference = load64(input_.data() + candidate + length) ^ load64(input_.data() + at + length);
      if (difference != 0) {
        return length + static_cast<std::size_t>(std::countr_zero(difference) / 8);
      }
      length += sizeof difference;
    }
    while (length < limit && input_[candidate + length] == input_[at + length]) {
      ++length;
    }
    return length;
  }

  Bytes input_;
  std::array<std::uint32_t, 1U << kHashBits> last_ = {};
};

/// Writes bits, the lowest first, into memory that has 8 bytes more than will be written.
class BitWriter {
 public:
  explicit BitWriter(std::uint8_t* to) : to_(to) {}

  /// Without a flush(), at most 56 bits may be put.
  void put(std::uint64_t bits, unsigned count) {
    register_ |= bits << filled_;
    filled_ += count;
  }
  void put(HuffmanCode code) { put(code.bits, code.length); }
  void flush() {
    std::memcpy(to_, &register_, sizeof register_);
    to_ += filled_ / 8;
    register_ >>= filled_ & ~7U;
    filled_ %= 8;
  }
  /// Fills up the byte with zeros, then copies.
  void copy(Bytes bytes) {
    filled_ = (filled_ + 7) & ~7U;
    flush();
    to_ = std::copy(bytes.begin(), bytes.end(), to_);
  }
  [[nodiscard]] std::uint8_t* end() const { return to_; }

 private:
  std::uint8_t* to_;
  std::uint64_t register_ = 0;
  unsigned filled_ = 0;
};

/// What is counted to make the two codes of a block.
struct Counts {
  std::array<std::uint32_t, kLiteralSymbols> literals = {};
  std::array<std::uint32_t, kDistanceSymbols> distances = {};
  std::uint32_t extra_bits = 0;

  Counts(const std::uint8_t* input, std::span<const Sequence> sequences) {
    // Four counters for each byte: one alone would wait for its own last store whenever a byte repeats.
    std::array<std::array<std::uint32_t, 256>, 4> bytes = {};
    for (const Sequence& sequence : sequences) {
      std::uint32_t left = sequence.literals;
      for (; left >= kUnrolled; left -= kUnrolled, input += kUnrolled) {
        for (std::uint32_t i = 0; i < kUnrolled; ++i) {
          ++bytes[i % 4][input[i]];
        }
      }
      for (; left > 0; --left) {
        ++bytes[0][*input++];
      }
      input += sequence.length;
      if (sequence.length != 0) {
        const Symbol length = length_symbol(sequence.length);
        const Symbol distance = distance_symbol(sequence.distance);
        ++literals[length.symbol];
        ++distances[distance.symbol];
        extra_bits += length.extra_bits + distance.extra_bits;
      }
    }
    for (std::size_t byte = 0; byte < 256; ++byte) {
      literals[byte] = bytes[0][byte] + bytes[1][byte] + bytes[2][byte] + bytes[3][byte];
    }
    literals[kEndOfBlock] = 1;
  }
};

/// The two codes of a block, and how they are written before it (RFC 1951, section 3.2.7).
class BlockCode {
 public:
  explicit BlockCode(const Counts& counts) {
    make_huffman_code(counts.literals, kMaxCodeLength, literals);
    make_huffman_code(counts.distances, kMaxCodeLength, distances);
    literal_symbols_ = used(literals, 257);
    distance_symbols_ = used(distances, 1);
    for (std::size_t i = 0; i < literal_symbols_; ++i) {
      lengths_[i] = static_cast<std::uint8_t>(literals[i].length);
    }
    for (std::size_t i = 0; i < distance_symbols_; ++i) {
      lengths_[literal_symbols_ + i] = static_cast<std::uint8_t>(distances[i].length);
    }
    shorten_lengths();
    std::array<std::uint32_t, kLengthSymbols> length_counts = {};
    for (const Symbol& symbol : symbols()) {
      ++length_counts[symbol.symbol];
    }
    make_huffman_code(length_counts, 7, length_code_);
    while (length_code_[kLengthOrder[length_symbols_ - 1]].length == 0) {
      --length_symbols_;
    }
    bits_ = 3 + 5 + 5 + 4 + (length_symbols_ * 3) + counts.extra_bits;
    for (const Symbol& symbol : symbols()) {
      bits_ += length_code_[symbol.symbol].length + symbol.extra_bits;
    }
    for (std::size_t i = 0; i < kLiteralSymbols; ++i) {
      bits_ += std::size_t{counts.literals[i]} * literals[i].length;
    }
    for (std::size_t i = 0; i < kDistanceSymbols; ++i) {
      bits_ += std::size_t{counts.distances[i]} * distances[i].length;
    }
  }

  /// Of the whole block, from its header to its end.
  [[nodiscard]] std::size_t bits() const { return bits_; }

  void write_header(BitWriter& writer, bool last) const {
    writer.put(last ? 1 : 0, 1);
    writer.put(2, 2);
    writer.put(literal_symbols_ - 257, 5);
    writer.put(distance_symbols_ - 1, 5);
    writer.put(length_symbols_ - 4, 4);
    writer.flush();
    for (std::size_t i = 0; i < length_symbols_; ++i) {
      writer.put(length_code_[kLengthOrder[i]].length, 3);
      writer.flush();
    }
    for (const Symbol& symbol : symbols()) {
      writer.put(length_code_[symbol.symbol]);
      writer.put(symbol.extra, symbol.extra_bits);
      writer.flush();
    }
  }

  std::array<HuffmanCode, kLiteralSymbols> literals;
  std::array<HuffmanCode, kDistanceSymbols> distances;

 private:
  static constexpr std::size_t kLengthSymbols = 19;
  static constexpr std::array<std::uint8_t, kLengthSymbols> kLengthOrder = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                                            11, 4,  12, 3, 13, 2, 14, 1, 15};

  static std::size_t used(std::span<const HuffmanCode> code, std::size_t at_least) {
    std::size_t count = code.size();
    while (count > at_least && code[count - 1].length == 0) {
      --count;
    }
    return count;
  }

  [[nodiscard]] std::span<const Symbol> symbols() const { return {symbols_.data(), symbol_count_}; }

  /// Runs of the same length become one symbol: 16 repeats the last 3 to 6 times, 17 and 18 are 3 to 10 and 11 to 138
  /// zeros.
  void shorten_lengths() {
    const std::size_t all = literal_symbols_ + distance_symbols_;
    for (std::size_t at = 0; at < all;) {
      const unsigned length = lengths_[at];
      std::size_t run = 1;
      while (at + run < all && lengths_[at + run] == length) {
        ++run;
      }
      at += run;
      if (length != 0) {
        add(length, 0, 0);
        --run;
      }
      const std::size_t most = length == 0 ? 138 : 6;
      while (run >= 3) {
        const std::size_t part = std::min(run, most);
        if (length != 0) {
          add(16, 2, part - 3);
        } else if (part <= 10) {
          add(17, 3, part - 3);
        } else {
          add(18, 7, part - 11);
        }
        run -= part;
      }
      for (; run > 0; --run) {
        add(length, 0, 0);
      }
    }
  }

  void add(unsigned symbol, unsigned extra_bits, std::size_t extra) {
    symbols_[symbol_count_++] = {.symbol = symbol, .extra_bits = extra_bits, .extra = static_cast<unsigned>(extra)};
  }

  std::size_t literal_symbols_;
  std::size_t distance_symbols_;
  std::size_t length_symbols_ = kLengthSymbols;
  std::array<std::uint8_t, kLiteralSymbols + kDistanceSymbols> lengths_;
  std::array<Symbol, kLiteralSymbols + kDistanceSymbols> symbols_;
  std::size_t symbol_count_ = 0;
  std::array<HuffmanCode, kLengthSymbols> length_code_;
  std::size_t bits_;
};

const std::uint8_t* put_literals(BitWriter& writer, const BlockCode& code, const std::uint8_t* input,
                                 std::uint32_t count) {
  for (; count >= kUnrolled; count -= kUnrolled, input += kUnrolled) {
    for (std::uint32_t i = 0; i < kUnrolled; i += 4) {
      writer.put(code.literals[input[i]]);
      writer.put(code.literals[input[i + 1]]);
      writer.put(code.literals[input[i + 2]]);
      writer.put(code.literals[input[i + 3]]);
      writer.flush();
    }
  }
  for (; count > 0; --count, ++input) {
    writer.put(code.literals[*input]);
    writer.flush();
  }
  return input;
}

void put_match(BitWriter& writer, const BlockCode& code, const Sequence& sequence) {
  const Symbol length = length_symbol(sequence.length);
  const Symbol distance = distance_symbol(sequence.distance);
  writer.put(code.literals[length.symbol]);
  writer.put(length.extra, length.extra_bits);
  writer.put(code.distances[distance.symbol]);
  writer.put(distance.extra, distance.extra_bits);
  writer.flush();
}

void write_block(BitWriter& writer, Bytes input, std::span<const Sequence> sequences, bool last) {
  const BlockCode code(Counts(input.data(), sequences));
  if (code.bits() >= (input.size() + 4) * 8) {
    const auto size = static_cast<std::uint16_t>(input.size());
    const auto inverse = static_cast<std::uint16_t>(~size);
    const std::array<std::uint8_t, 4> sizes = {static_cast<std::uint8_t>(size), static_cast<std::uint8_t>(size >> 8),
                                               static_cast<std::uint8_t>(inverse),
                                               static_cast<std::uint8_t>(inverse >> 8)};
    writer.put(last ? 1 : 0, 3);
    writer.copy(sizes);
    writer.copy(input);
    return;
  }
  code.write_header(writer, last);
  const std::uint8_t* at = input.data();
  for (const Sequence& sequence : sequences) {
    at = put_literals(writer, code, at, sequence.literals);
    if (sequence.length != 0) {
      put_match(writer, code, sequence);
      at += sequence.length;
    }
  }
  writer.put(code.literals[kEndOfBlock]);
  writer.flush();
}

}  // namespace

Buffer compress(Bytes input) {
  constexpr std::size_t kFrame = 2 + 4;        // zlib's header and checksum
  constexpr std::size_t kStoredBlock = 1 + 4;  // what a stored block adds
  constexpr std::size_t kSlack = 8;
  const std::size_t blocks = std::max<std::size_t>(1, (input.size() + kBlock - 1) / kBlock);
  Buffer output = Buffer::allocate(kFrame + input.size() + (blocks * kStoredBlock) + kSlack);
  Buffer sequence_memory = Buffer::allocate(Matcher::kMaxSequences * sizeof(Sequence));
  Buffer matcher_memory = Buffer::allocate(sizeof(Matcher));
  if (!output || !sequence_memory || !matcher_memory) {
    return {};
  }
  const std::span sequences(reinterpret_cast<Sequence*>(sequence_memory.data()), Matcher::kMaxSequences);
  Matcher& matcher = *new (matcher_memory.data()) Matcher(input);
  output.data()[0] = 0x78;  // deflate, a window of 32 KiB
  output.data()[1] = 0x01;  // fastest
  BitWriter writer(output.data() + 2);
  for (std::size_t block = 0; block < blocks; ++block) {
    const std::size_t begin = block * kBlock;
    const std::size_t end = std::min(input.size(), begin + kBlock);
    const std::size_t count = matcher.split(begin, end, sequences);
    write_block(writer, input.subspan(begin, end - begin), sequences.first(count), block + 1 == blocks);
  }
  const std::uint32_t sum = adler32(input);
  const std::array<std::uint8_t, 4> trailer = {static_cast<std::uint8_t>(sum >> 24),
                                               static_cast<std::uint8_t>(sum >> 16),
                                               static_cast<std::uint8_t>(sum >> 8), static_cast<std::uint8_t>(sum)};
  writer.copy(trailer);
  if (!output.resize(static_cast<std::size_t>(writer.end() - output.data()))) {
    return {};
  }
  return output;
}

}  // namespace image
