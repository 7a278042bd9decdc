/// \file  A guest's linear memory as host functions see it: every address comes from the guest and is checked.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

namespace trilby::wasm {

static_assert(std::endian::native == std::endian::little, "guests are little-endian");

/// Valid until the guest runs again. All arithmetic is in 64 bits, so that sums of guests' numbers cannot wrap.
class GuestMemory {
 public:
  GuestMemory() = default;
  explicit GuestMemory(std::span<std::byte> bytes) : bytes_(bytes) {}

  /// \return nothing unless all of it is inside
  [[nodiscard]] std::optional<std::span<std::byte>> slice(std::uint64_t at, std::uint64_t length) const {
    if (at > bytes_.size() || length > bytes_.size() - at) {
      return std::nullopt;
    }
    return bytes_.subspan(at, length);
  }
  [[nodiscard]] std::optional<std::string_view> text(std::uint64_t at, std::uint64_t length) const {
    const auto piece = slice(at, length);
    return piece ? std::optional(std::string_view(reinterpret_cast<const char*>(piece->data()), piece->size()))
                 : std::nullopt;
  }

  template <typename T>
  [[nodiscard]] std::optional<T> load(std::uint64_t at) const {
    static_assert(std::is_trivially_copyable_v<T>);
    const auto piece = slice(at, sizeof(T));
    if (!piece) {
      return std::nullopt;
    }
    T value;
    std::memcpy(&value, piece->data(), sizeof value);
    return value;
  }
  /// \return false, and nothing is written, unless all of it is inside
  template <typename T>
  [[nodiscard]] bool store(std::uint64_t at, const T& value) const {
    static_assert(std::is_trivially_copyable_v<T>);
    const auto piece = slice(at, sizeof(T));
    if (piece) {
      std::memcpy(piece->data(), &value, sizeof value);
    }
    return piece.has_value();
  }
  /// `to` holds at least as much. (g++ 12 copies std::byte one by one when asked by std::ranges::copy.)
  static void copy(std::span<const std::byte> from, std::span<std::byte> to) {
    if (!from.empty()) {
      std::memcpy(to.data(), from.data(), from.size());
    }
  }

 private:
  std::span<std::byte> bytes_;
};

}  // namespace trilby::wasm
