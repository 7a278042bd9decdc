#include "invoke/content_type.h"

#include <string>

#include <gtest/gtest.h>

namespace trilby::invoke {
namespace {

using namespace std::literals;

TEST(Sniff, KnowsItsClosedList) {
  EXPECT_EQ(sniff_content_type("\x89PNG\r\n\x1A\n...."sv), "image/png");
  EXPECT_EQ(sniff_content_type("GIF89a...."), "image/gif");
  EXPECT_EQ(sniff_content_type("GIF87a"), "image/gif");
  EXPECT_EQ(sniff_content_type("\xFF\xD8\xFF\xE0"sv), "image/jpeg");
  EXPECT_EQ(sniff_content_type(" {\"a\": [1]}\n"), "application/json");
  EXPECT_EQ(sniff_content_type("[]"), "application/json");
  EXPECT_EQ(sniff_content_type("grüße\n"), "text/plain; charset=utf-8");
}

TEST(Sniff, TakesMarkupForText) {
  EXPECT_EQ(sniff_content_type("<!doctype html><script>alert(1)</script>"), "text/plain; charset=utf-8");
  EXPECT_EQ(sniff_content_type("<svg xmlns='http://www.w3.org/2000/svg'/>"), "text/plain; charset=utf-8");
}

TEST(Sniff, GuessesNothingElse) {
  for (const std::string_view body :
       {""sv, "\0"sv, "a\0b"sv, "\x1b[31m"sv, "\xff\xfe"sv, "\x89PN"sv, "%PDF\x01"sv, "ab\xC3"sv}) {
    EXPECT_EQ(sniff_content_type(body), "application/octet-stream") << body;
  }
}

TEST(Sniff, IsNotMisledByWhereItStopsLooking) {
  std::string text((64U << 10U) - 1, 'a');
  text += "ü and more";
  EXPECT_EQ(sniff_content_type(text), "text/plain; charset=utf-8");
  text[100] = '\x01';
  EXPECT_EQ(sniff_content_type(text), "application/octet-stream");
}

TEST(Sniff, NeedsBothEndsOfJson) {
  EXPECT_EQ(sniff_content_type("{"), "text/plain; charset=utf-8");
  EXPECT_EQ(sniff_content_type("{]"), "text/plain; charset=utf-8");
  EXPECT_EQ(sniff_content_type("{} trailing"), "text/plain; charset=utf-8");
}

}  // namespace
}  // namespace trilby::invoke
