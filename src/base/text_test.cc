#include "base/text.h"

#include <array>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace trilby {
namespace {

constexpr std::array<std::string_view, 4> kWords = {"module", "content_type", "memory", "cpu"};

TEST(ClosestMatch, FindsTypingMistakes) {
  EXPECT_EQ(closest_match("modul", kWords), "module");
  EXPECT_EQ(closest_match("contenttype", kWords), "content_type");
  EXPECT_EQ(closest_match("mmeory", kWords), "memory");
  EXPECT_EQ(closest_match("CPU", kWords), "cpu");
}

TEST(ClosestMatch, IsSilentWhenNothingIsClose) {
  EXPECT_FALSE(closest_match("environment", kWords));
  EXPECT_FALSE(closest_match("", kWords));
  EXPECT_FALSE(closest_match(std::string(10'000, 'm'), kWords));
}

TEST(HexDigit, HasAValueInEitherCase) {
  unsigned sum = 0;
  std::string digits;
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    if (const auto value = hex_digit(c)) {
      digits += c;
      sum = sum * 3 + *value;
    }
  }
  EXPECT_EQ(digits, "0123456789ABCDEFabcdef");
  unsigned expected = 0;
  for (const unsigned value : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 10, 11, 12, 13, 14, 15}) {
    expected = expected * 3 + value;
  }
  EXPECT_EQ(sum, expected);
}

TEST(Token, IsWhatMethodsAndNamesOfFieldsAreMadeOf) {
  EXPECT_TRUE(is_token("X-Custom_1!#$%&'*+.^`|~"));
  for (const std::string_view wrong : {"", "a b", "a:", "a/b", "(a)", "\x7f", "\xc3\xa4"}) {
    EXPECT_FALSE(is_token(wrong)) << wrong;
  }
}

TEST(Trimmed, TakesSpacesAndTabsOffBothEnds) {
  EXPECT_EQ(trimmed(" \t a b\t "), "a b");
  EXPECT_EQ(trimmed("a\n"), "a\n");
  EXPECT_EQ(trimmed(""), "");
  const std::string_view blanks = " \t ";
  EXPECT_EQ(trimmed(blanks), "");
  EXPECT_EQ(trimmed(blanks).data(), blanks.data() + blanks.size()) << "a part of the text";
}

TEST(Characters, AreToldApart) {
  std::string plain;
  std::string of_keys;
  std::string control;
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    plain += is_letter_or_digit(c) ? std::string(1, c) : "";
    of_keys += is_key_character(c) && !is_letter_or_digit(c) ? std::string(1, c) : "";
    control += has_control_characters(std::string{'a', c, 'b'}) ? fmt::format("{:02x} ", byte) : "";
  }
  EXPECT_EQ(plain, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
  EXPECT_EQ(of_keys, "+,-.:=@_~");
  EXPECT_EQ(control,
            "00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f 7f ");
  EXPECT_FALSE(has_control_characters(""));
}

TEST(MediaTypes, AreJsonByTheirNames) {
  for (const char* type : {"application/json", "text/json", "application/cloudevents+json"}) {
    EXPECT_TRUE(is_json_type(type)) << type;
  }
  for (const char* type : {"", "text/plain", "application/jsonx", "application/json; charset=utf-8", "json"}) {
    EXPECT_FALSE(is_json_type(type)) << type;
  }
}

TEST(PrintableLine, TakesTheSpellOutOfControlCharacters) {
  EXPECT_EQ(printable_line("red \x1B[31m\n", 100), "red \xEF\xBF\xBD[31m");
  EXPECT_EQ(printable_line("\xC2\x9B"
                           "2J",
                           100),
            "\xEF\xBF\xBD"
            "2J");
}

TEST(PrintableLine, IsCutAtACharacter) {
  EXPECT_EQ(printable_line("caf\xC3\xA9s", 4), "caf\xE2\x80\xA6");
}

TEST(IsUtf8, KnowsTheShortestFormRule) {
  EXPECT_TRUE(is_utf8("\xF0\x9F\x8E\xA9"));
  EXPECT_FALSE(is_utf8("\xC0\xAF"));
  EXPECT_FALSE(is_utf8("\xF4\x90\x80\x80"));
}

}  // namespace
}  // namespace trilby
