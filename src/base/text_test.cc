#include "base/text.h"

#include <array>

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
