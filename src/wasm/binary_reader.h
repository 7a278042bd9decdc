/// \file  Reads the WebAssembly binary format from bytes that nobody vouches for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/text.h"

namespace trilby::wasm {

/// A cursor that never leaves its bytes. After the first failure it stays failed and gives zeros, so that a caller may
/// read a whole construct and ask once; loops ask at every turn.
class BinaryReader {
 public:
  /// `origin`: offset of the first byte in the file, for messages.
  explicit BinaryReader(std::span<const std::byte> bytes, std::size_t origin = 0) : bytes_(bytes), origin_(origin) {}

  [[nodiscard]] bool ok() const { return !failed_; }
  [[nodiscard]] bool more() const { return !failed_ && at_ < bytes_.size(); }
  [[nodiscard]] std::size_t offset() const { return origin_ + at_; }
  [[nodiscard]] std::size_t left() const { return bytes_.size() - at_; }
  void fail() { failed_ = true; }

  [[nodiscard]] std::uint8_t byte() {
    if (!more()) {
      failed_ = true;
      return 0;
    }
    return std::to_integer<std::uint8_t>(bytes_[at_++]);
  }
  [[nodiscard]] std::uint8_t peek() const {
    return more() ? std::to_integer<std::uint8_t>(bytes_[at_]) : std::uint8_t{0};
  }

  /// Unsigned LEB128, as long as the specification allows for 32 and for 64 bits.
  [[nodiscard]] std::uint32_t u32() { return static_cast<std::uint32_t>(leb(32)); }
  [[nodiscard]] std::uint64_t u64() { return leb(64); }
  /// Skips a signed LEB128 of at most 33 bits.
  void skip_s33() {
    for (int i = 0; i < 5; ++i) {
      if ((byte() & 0x80U) == 0) {
        return;
      }
    }
    failed_ = true;
  }

  [[nodiscard]] std::span<const std::byte> take(std::size_t count) {
    if (failed_ || count > left()) {
      failed_ = true;
      return {};
    }
    const auto piece = bytes_.subspan(at_, count);
    at_ += count;
    return piece;
  }
  [[nodiscard]] BinaryReader sub(std::size_t count) {
    const std::size_t origin = offset();
    return BinaryReader(take(count), origin);
  }
  /// A length and that much UTF-8.
  [[nodiscard]] std::string_view name() {
    const auto piece = take(u32());
    const std::string_view text(reinterpret_cast<const char*>(piece.data()), piece.size());
    if (!is_utf8(text)) {
      failed_ = true;
      return {};
    }
    return text;
  }

 private:
  std::uint64_t leb(unsigned bits) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < bits; shift += 7) {
      const std::uint64_t part = byte();
      const unsigned room = bits - shift;
      if (room < 7 && ((part & 0x7FU) >> room) != 0) {
        break;
      }
      value |= (part & 0x7FU) << shift;
      if ((part & 0x80U) == 0) {
        return failed_ ? 0 : value;
      }
    }
    failed_ = true;
    return 0;
  }

  std::span<const std::byte> bytes_;
  std::size_t origin_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

}  // namespace trilby::wasm
