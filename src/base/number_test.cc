#include "base/number.h"

#include <cstdint>

#include <gtest/gtest.h>

namespace trilby {
namespace {

TEST(Number, IsTheWholeText) {
  EXPECT_EQ(parse_number<std::uint16_t>("65535"), 65535);
  EXPECT_EQ(parse_number<int>("-7"), -7);
  EXPECT_EQ(parse_number<double>("0.25"), 0.25);
  for (const char* text : {"", "-", "+1", " 1", "1 ", "1x", "0x1", "1.5"}) {
    EXPECT_FALSE(parse_number<int>(text)) << text;
  }
}

TEST(Number, IsOneOfItsType) {
  EXPECT_FALSE(parse_number<std::uint16_t>("65536"));
  EXPECT_FALSE(parse_number<std::uint16_t>("-1"));
  EXPECT_FALSE(parse_number<double>("1e400"));
}

}  // namespace
}  // namespace trilby
