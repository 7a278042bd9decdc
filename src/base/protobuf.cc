#include "base/protobuf.h"

#include <array>
#include <bit>

namespace trilby {
namespace {

constexpr unsigned kTypeBits = 3;
constexpr std::uint64_t kMaxNumber = (std::uint64_t{1} << 29U) - 1;
constexpr unsigned kVarintBits = 7;

std::size_t varint_size(std::uint64_t value) {
  std::size_t size = 1;
  for (; value > 0x7F; value >>= kVarintBits) {
    ++size;
  }
  return size;
}

constexpr std::size_t kMaxVarint = 10;

/// \return behind it
char* put_varint(char* at, std::uint64_t value) {
  for (; value > 0x7F; value >>= kVarintBits) {
    *at++ = static_cast<char>((value & 0x7FU) | 0x80U);
  }
  *at++ = static_cast<char>(value);
  return at;
}

std::uint64_t key_of(std::uint32_t number, std::uint8_t type) {
  return (std::uint64_t{number} << kTypeBits) | type;
}

constexpr std::uint8_t kVarintType = 0;
constexpr std::uint8_t kFixed64Type = 1;
constexpr std::uint8_t kBytesType = 2;
constexpr std::uint8_t kFixed32Type = 5;

/// The least significant byte first.
template <typename Number>
void append_fixed(std::string& out, Number value) {
  std::array<char, sizeof(value)> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>(value >> (8 * i));
  }
  out.append(bytes.data(), bytes.size());
}

}  // namespace

std::optional<std::uint64_t> ProtobufCursor::take_varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += kVarintBits) {
    if (rest_.empty()) {
      return std::nullopt;
    }
    const auto byte = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    if (shift == 63 && byte > 1) {
      return std::nullopt;  // more than 64 bits
    }
    value |= std::uint64_t{byte & 0x7FU} << shift;
    if (byte < 0x80) {
      return value;
    }
  }
  return std::nullopt;
}

std::optional<std::uint64_t> ProtobufCursor::take_fixed(std::size_t size) {
  if (rest_.size() < size) {
    return std::nullopt;
  }
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) {
    value |= std::uint64_t{static_cast<std::uint8_t>(rest_[i])} << (8 * i);
  }
  rest_.remove_prefix(size);
  return value;
}

bool ProtobufCursor::next() {
  if (is_malformed_ || rest_.empty()) {
    return false;
  }
  const auto key = take_varint();
  std::optional<std::uint64_t> value;
  const std::uint64_t number = key.value_or(0) >> kTypeBits;
  if (number >= 1 && number <= kMaxNumber) {
    number_ = static_cast<std::uint32_t>(number);
    type_ = static_cast<Type>(*key & ((1U << kTypeBits) - 1));
    switch (type_) {
      case Type::Varint:
      case Type::Bytes:
        value = take_varint();
        break;
      case Type::Fixed64:
        value = take_fixed(8);
        break;
      case Type::Fixed32:
        value = take_fixed(4);
        break;
      default:
        break;  // groups, and what is no type
    }
  }
  if (!value || (type_ == Type::Bytes && *value > rest_.size())) {
    is_malformed_ = true;
    return false;
  }
  integer_ = *value;
  if (type_ == Type::Bytes) {
    bytes_ = rest_.substr(0, static_cast<std::size_t>(*value));
    rest_.remove_prefix(bytes_.size());
  }
  return true;
}

std::optional<std::uint64_t> ProtobufCursor::integer() const {
  return type_ == Type::Varint ? std::optional(integer_) : std::nullopt;
}

std::optional<std::uint32_t> ProtobufCursor::fixed32() const {
  return type_ == Type::Fixed32 ? std::optional(static_cast<std::uint32_t>(integer_)) : std::nullopt;
}

std::optional<double> ProtobufCursor::real() const {
  return type_ == Type::Fixed64 ? std::optional(std::bit_cast<double>(integer_)) : std::nullopt;
}

std::optional<std::string_view> ProtobufCursor::bytes() const {
  return type_ == Type::Bytes ? std::optional(bytes_) : std::nullopt;
}

void append_fixed64(std::string& out, std::uint64_t value) {
  append_fixed(out, value);
}

void ProtobufWriter::append_key(std::uint64_t key) {
  std::array<char, kMaxVarint> bytes;
  char* const end = put_varint(bytes.data(), key);
  out_.append(bytes.data(), static_cast<std::size_t>(end - bytes.data()));
}

/// A key and a number.
void ProtobufWriter::varints(std::uint64_t key, std::uint64_t value) {
  std::array<char, 2 * kMaxVarint> bytes;
  char* const end = put_varint(put_varint(bytes.data(), key), value);
  out_.append(bytes.data(), static_cast<std::size_t>(end - bytes.data()));
}

ProtobufWriter& ProtobufWriter::integer(std::uint32_t number, std::uint64_t value) {
  varints(key_of(number, kVarintType), value);
  return *this;
}

ProtobufWriter& ProtobufWriter::bytes(std::uint32_t number, std::string_view value) {
  begin_bytes(number, value.size());
  out_ += value;
  return *this;
}

ProtobufWriter& ProtobufWriter::fixed32(std::uint32_t number, std::uint32_t value) {
  append_key(key_of(number, kFixed32Type));
  append_fixed(out_, value);
  return *this;
}

ProtobufWriter& ProtobufWriter::fixed64(std::uint32_t number, std::uint64_t value) {
  append_key(key_of(number, kFixed64Type));
  append_fixed(out_, value);
  return *this;
}

ProtobufWriter& ProtobufWriter::real(std::uint32_t number, double value) {
  return fixed64(number, std::bit_cast<std::uint64_t>(value));
}

ProtobufWriter& ProtobufWriter::begin_bytes(std::uint32_t number, std::uint64_t size) {
  varints(key_of(number, kBytesType), size);
  return *this;
}

std::size_t ProtobufWriter::integer_size(std::uint32_t number, std::uint64_t value) {
  return varint_size(key_of(number, kVarintType)) + varint_size(value);
}

std::size_t ProtobufWriter::head_size(std::uint32_t number, std::uint64_t size) {
  return varint_size(key_of(number, kBytesType)) + varint_size(size);
}

}  // namespace trilby
