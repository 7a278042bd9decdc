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

TEST(Base64, WritesWhatItReads) {
  const auto encoded = [](std::string_view bytes) {
    std::string out = ">";
    append_base64(out, bytes);
    return out;
  };
  EXPECT_EQ(encoded(""), ">");
  EXPECT_EQ(encoded("f"), ">Zg==");
  EXPECT_EQ(encoded("fo"), ">Zm8=");
  EXPECT_EQ(encoded("foo"), ">Zm9v");
  EXPECT_EQ(encoded("foobar"), ">Zm9vYmFy");
  std::string all;
  for (int c = 0; c < 256; ++c) {
    all += static_cast<char>(c);
    EXPECT_EQ(decode_base64(encoded(all).substr(1)), all);
  }
}

}  // namespace
}  // namespace trilby
