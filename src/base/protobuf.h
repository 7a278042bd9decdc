/// \file  Protocol Buffers' wire format (https://protobuf.dev/programming-guides/encoding/): messages from outside are
/// walked where they lie, so that they cost no memory, whatever they hold. What their fields mean is for who walks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace trilby {

/// Goes through the fields of a message in their order. `while (field.next()) ...`, and then is_malformed(). A field
/// that may be there once counts as its last one does; what has another number or type than is asked for is passed
/// over. Groups, which proto3 does not have, are malformed. Ownership: a view; the message outlives it.
class ProtobufCursor {
 public:
  explicit ProtobufCursor(std::string_view message) : rest_(message) {}

  [[nodiscard]] bool next();  ///< \return false at the end, and at what is malformed
  [[nodiscard]] bool is_malformed() const { return is_malformed_; }

  [[nodiscard]] std::uint32_t number() const { return number_; }  ///< of the field
  // Its value; nothing when its type is another.
  [[nodiscard]] std::optional<std::uint64_t> integer() const;  ///< int32 to uint64, bool, enum
  [[nodiscard]] std::optional<std::uint32_t> fixed32() const;
  [[nodiscard]] std::optional<double> real() const;             ///< double
  [[nodiscard]] std::optional<std::string_view> bytes() const;  ///< bytes, string, message

 private:
  enum class Type : std::uint8_t { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

  [[nodiscard]] std::optional<std::uint64_t> take_varint();
  [[nodiscard]] std::optional<std::uint64_t> take_fixed(std::size_t size);

  std::string_view rest_;
  std::uint32_t number_ = 0;
  Type type_ = Type::Varint;
  std::uint64_t integer_ = 0;
  std::string_view bytes_;
  bool is_malformed_ = false;
};

/// Appends eight bytes, the least significant first: an element of a packed field of fixed64 or double.
void append_fixed64(std::string& out, std::uint64_t value);

/// Appends fields to a message. Messages in it are written as bytes.
class ProtobufWriter {
 public:
  explicit ProtobufWriter(std::string& out) : out_(out) {}

  ProtobufWriter& integer(std::uint32_t number, std::uint64_t value);
  ProtobufWriter& bytes(std::uint32_t number, std::string_view value);
  ProtobufWriter& fixed32(std::uint32_t number, std::uint32_t value);
  ProtobufWriter& fixed64(std::uint32_t number, std::uint64_t value);  ///< also sfixed64
  ProtobufWriter& real(std::uint32_t number, double value);            ///< double
  /// The head of a field whose bytes follow by other means.
  ProtobufWriter& begin_bytes(std::uint32_t number, std::uint64_t size);
  /// How long that head is.
  [[nodiscard]] static std::size_t head_size(std::uint32_t number, std::uint64_t size);
  /// How long a field of so many bytes is, with its head.
  [[nodiscard]] static std::size_t bytes_size(std::uint32_t number, std::size_t size) {
    return head_size(number, size) + size;
  }
  /// How long a field of an integer is.
  [[nodiscard]] static std::size_t integer_size(std::uint32_t number, std::uint64_t value);
  static constexpr std::size_t kFixed32Size = 5;  ///< of a field with a number up to 15
  static constexpr std::size_t kFixed64Size = 9;  ///< the same

 private:
  void append_key(std::uint64_t key);
  void varints(std::uint64_t key, std::uint64_t value);

  std::string& out_;
};

}  // namespace trilby
