#include "triggers/path.h"

#include <gtest/gtest.h>

namespace trilby::triggers {
namespace {

TEST(ParseTarget, DecodesOnce) {
  EXPECT_EQ(parse_target("/").value().path, "/");
  EXPECT_EQ(parse_target("/a%20b/%C3%A9").value().path, "/a b/\xC3\xA9");
  EXPECT_EQ(parse_target("/%252e%252e").value().path, "/%2e%2e");
  EXPECT_EQ(parse_target("/static/").value().path, "/static/");
  EXPECT_EQ(parse_target("/a.b/..c/.d").value().path, "/a.b/..c/.d");
}

TEST(ParseTarget, LeavesTheQueryAsItIs) {
  const Target target = parse_target("/a?b=%2f&c=..//%00?d").value();
  EXPECT_EQ(target.path, "/a");
  EXPECT_EQ(target.query, "b=%2f&c=..//%00?d");
  EXPECT_EQ(parse_target("/a?").value().query, "");
}

TEST(ParseTarget, RefusesWhatCouldBeReadInTwoWays) {
  for (const std::string_view target : {
           "",
           "*",
           "a",
           "?",
           "http://host/",
           "/..",
           "/../",
           "/.",
           "/a/../b",
           "/a/./b",
           "/a/%2e%2e/b",
           "/a/.%2E",
           "//",
           "//etc/passwd",
           "/a//b",
           "/a//",
           "/a%2fb",
           "/a%2Fb",
           "/a%5cb",
           "/a\\b",
           "/a%00",
           "/a%0a",
           "/a%7f",
           "/a\x01",
           "/a%",
           "/a%4",
           "/a%zz",
           "/a%%41",
           "/a#b",
           "/%ff",
           "/%c0%af",
           "/%ed%a0%80",
           "/..%2f..%2fetc%2fpasswd",
       }) {
    const auto result = parse_target(target);
    ASSERT_FALSE(result) << target;
    EXPECT_EQ(result.error().reason, Reason::BadRequest);
  }
  EXPECT_FALSE(parse_target(std::string_view("/a\0b", 4)));
}

TEST(ParseTarget, AllowsACodedHash) {
  EXPECT_EQ(parse_target("/a%23b").value().path, "/a#b");
}

}  // namespace
}  // namespace trilby::triggers
