#include "base/protobuf.h"

#include <gtest/gtest.h>

namespace trilby {
namespace {

using namespace std::string_view_literals;

/// All fields, as "number=value" with ' ' between; what is malformed ends it with '!'.
std::string walk(std::string_view message) {
  std::string text;
  ProtobufCursor field(message);
  while (field.next()) {
    text += text.empty() ? "" : " ";
    text += std::to_string(field.number()) + "=";
    if (const auto integer = field.integer()) {
      text += std::to_string(*integer);
    } else if (const auto bytes = field.bytes()) {
      text += "\"" + std::string(*bytes) + "\"";
    } else if (const auto real = field.real()) {
      text += std::to_string(*real);
    } else {
      text += '?';
    }
  }
  return text + (field.is_malformed() ? "!" : "");
}

TEST(Protobuf, IsWalkedFieldByField) {
  // The examples of the format's own description, and one of each type.
  EXPECT_EQ(walk("\x08\x96\x01"sv), "1=150");
  EXPECT_EQ(walk("\x12\x07testing"sv), "2=\"testing\"");
  EXPECT_EQ(walk("\x1a\x03\x08\x96\x01"sv), "3=\"\x08\x96\x01\"");
  EXPECT_EQ(walk("\x11\x00\x00\x00\x00\x00\x00\xf8\x3f"sv), "2=1.500000");
  EXPECT_EQ(walk("\x0d\x01\x02\x03\x04\x08\x01"sv), "1=? 1=1") << "what nobody asks for is passed over";
  EXPECT_EQ(walk("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"sv), "1=18446744073709551615");
  EXPECT_EQ(walk("\x0a\x00"sv), "1=\"\"");
  EXPECT_EQ(walk("\xf8\xff\xff\xff\x0f\x01"sv), "536870911=1") << "the largest number";
  EXPECT_EQ(walk(""), "");
}

TEST(Protobuf, StopsAtWhatIsMalformed) {
  for (const std::string_view message : {
           "\x08"sv,                                              // no value
           "\x08\x96"sv,                                          // a part of one
           "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"sv,      // more than 64 bits
           "\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"sv,  // and longer
           "\x0a\x02x"sv,                                         // shorter than it says
           "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x"sv,     //
           "\x0d\x01\x02\x03"sv,
           "\x09\x01\x02\x03\x04\x05\x06\x07"sv,
           "\x0b\x0c"sv,  // a group
           "\x0e\x01"sv,
           "\x0f\x01"sv,  // no types
           "\x00\x01"sv,
           "\x02\x00"sv,                  // number 0
           "\x80\x80\x80\x80\x10\x01"sv,  // number 2^29
       }) {
    EXPECT_EQ(walk(message), "!");
  }
  EXPECT_EQ(walk("\x08\x01\x08"sv), "1=1!");
}

TEST(Protobuf, SaysNothingOfAnotherType) {
  ProtobufCursor field("\x08\x01\x12\x00\x1d\x01\x02\x03\x04"sv);
  ASSERT_TRUE(field.next());
  EXPECT_FALSE(field.bytes() || field.real() || field.fixed32());
  ASSERT_TRUE(field.next());
  EXPECT_FALSE(field.integer() || field.real() || field.fixed32());
  ASSERT_TRUE(field.next());
  EXPECT_FALSE(field.integer() || field.bytes() || field.real());
  EXPECT_EQ(field.fixed32(), 0x04030201U);
}

TEST(Protobuf, IsWrittenAsItIsRead) {
  std::string message;
  ProtobufWriter(message).integer(1, 150).bytes(2, "testing").integer(16, UINT64_MAX).begin_bytes(3, 300);
  const std::size_t before = message.size();
  message += std::string(300, 'x');
  EXPECT_EQ(walk(message), "1=150 2=\"testing\" 16=18446744073709551615 3=\"" + std::string(300, 'x') + "\"");
  EXPECT_EQ(message.substr(0, 3), "\x08\x96\x01");
  EXPECT_EQ(ProtobufWriter::head_size(3, 300), 3U);
  EXPECT_EQ(message.substr(before - 3, 3), "\x1a\xac\x02");
  for (const std::uint64_t size : {0ULL, 127ULL, 128ULL, 16'383ULL, 16'384ULL, 1ULL << 40U}) {
    for (const std::uint32_t number : {1U, 15U, 16U, 100'000U}) {
      std::string head;
      ProtobufWriter(head).begin_bytes(number, size);
      EXPECT_EQ(ProtobufWriter::head_size(number, size), head.size());
    }
  }
}

TEST(Protobuf, WritesFixedNumbers) {
  std::string message;
  ProtobufWriter(message).fixed64(7, 0x0102030405060708U).real(4, -2.5).integer(3, 300);
  EXPECT_EQ(message.substr(0, 9), "\x39\x08\x07\x06\x05\x04\x03\x02\x01"sv);
  ProtobufCursor field(message);
  ASSERT_TRUE(field.next() && field.next());
  EXPECT_EQ(field.real(), -2.5);
  EXPECT_EQ(message.size(), 2 * ProtobufWriter::kFixed64Size + ProtobufWriter::integer_size(3, 300));
  message.clear();
  ProtobufWriter(message).fixed32(6, 0x01020304U);
  EXPECT_EQ(message, "\x35\x04\x03\x02\x01"sv);
  EXPECT_EQ(message.size(), ProtobufWriter::kFixed32Size);
  ProtobufWriter(message).fixed32(16, UINT32_MAX);
  EXPECT_EQ(message.substr(5), "\x85\x01\xff\xff\xff\xff"sv);
}

}  // namespace
}  // namespace trilby
