#include "base/base64.h"

#include <gtest/gtest.h>

namespace trilby {
namespace {

TEST(Base64, DecodesTheVectorsOfTheStandard) {  // RFC 4648 section 10
  EXPECT_EQ(decode_base64(""), "");
  EXPECT_EQ(decode_base64("Zg=="), "f");
  EXPECT_EQ(decode_base64("Zm8="), "fo");
  EXPECT_EQ(decode_base64("Zm9v"), "foo");
  EXPECT_EQ(decode_base64("Zm9vYmFy"), "foobar");
}

TEST(Base64, DecodesEveryByte) {
  EXPECT_EQ(decode_base64("AAEC/f7/"), std::string("\0\1\2\xFD\xFE\xFF", 6));
}

TEST(Base64, RefusesEverythingElse) {
  for (const char* text : {"Z", "Zg", "Zg=", "=", "====", "Z===", "Zm9v\n", "Zm 9", "Zg==Zg==", "-_-_", "Zm9\xFF"}) {
    EXPECT_EQ(decode_base64(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace trilby
