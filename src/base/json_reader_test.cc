#include "base/json_reader.h"

#include <vector>

#include <gtest/gtest.h>

namespace trilby {
namespace {

std::string text_of(std::string_view json) {
  const auto value = parse_json(json);
  return value ? value->text() : value.error().message;
}

std::vector<std::string> walk(std::string_view json) {
  std::vector<std::string> seen;
  const JsonValue value = parse_json(json).value();
  for (JsonCursor cursor(value); cursor.next();) {
    seen.push_back(cursor.key() + "=" + std::string(cursor.value().raw()));
  }
  return seen;
}

TEST(JsonReader, TakesEveryKindOfValue) {
  using Kind = JsonValue::Kind;
  const std::vector<std::pair<std::string_view, Kind>> kinds = {
      {"null", Kind::Null},       {" true ", Kind::Flag},      {"false", Kind::Flag},
      {"-0.5e+10", Kind::Number}, {"0", Kind::Number},         {"\"\"", Kind::Text},
      {"[]", Kind::List},         {"\t{ }\r\n", Kind::Object}, {"12E3", Kind::Number},
  };
  for (const auto& [text, kind] : kinds) {
    const auto value = parse_json(text);
    ASSERT_TRUE(value) << text << ": " << value.error().message;
    EXPECT_EQ(value->kind(), kind) << text;
  }
}

TEST(JsonReader, RefusesWhatIsNoJson) {
  for (const std::string_view text : {"",
                                      " ",
                                      "{",
                                      "}",
                                      "[",
                                      "]",
                                      "[1,]",
                                      "[,1]",
                                      "{,}",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "{1:1}",
                                      "[1 2]",
                                      "[1}",
                                      "{\"a\":1]",
                                      "01",
                                      "-",
                                      "1.",
                                      ".5",
                                      "1e",
                                      "1e+",
                                      "+1",
                                      "0x1",
                                      "NaN",
                                      "Infinity",
                                      "nul",
                                      "True",
                                      "'a'",
                                      "\"a",
                                      "\"\\\"",
                                      "\"\\x\"",
                                      "\"\\u12\"",
                                      "\"\\u12g4\"",
                                      "\"\n\"",
                                      "1 2",
                                      "{} {}",
                                      "\xEF\xBB\xBF{}",
                                      "\"\xFF\"",
                                      "\"\xED\xA0\x80\"",
                                      "\"\xC0\x80\"",
                                      "[1]x",
                                      "// c\n1",
                                      "1/**/"}) {
    const auto value = parse_json(text);
    ASSERT_FALSE(value) << text;
    EXPECT_EQ(value.error().reason, Reason::BadRequest);
    EXPECT_TRUE(value.error().message.starts_with("at byte ")) << value.error().message;
  }
  EXPECT_FALSE(parse_json(std::string_view("\"\0\"", 3)));
}

TEST(JsonReader, SaysWhereItIsWrong) {
  EXPECT_EQ(text_of("[1, 2, x]"), "at byte 7: this begins no value");
  EXPECT_EQ(text_of("{\"a\":1"), "at byte 6: the text ends too early");
}

TEST(JsonReader, BoundsTheDepthAndNotOurStack) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(parse_json(nested(kMaxJsonDepth)));
  EXPECT_EQ(parse_json(nested(kMaxJsonDepth + 1)).error().message, "at byte 1000: it is nested too deep");
  EXPECT_FALSE(parse_json(std::string(5'000'000, '[')));
}

TEST(JsonReader, DecodesTexts) {
  EXPECT_EQ(text_of(R"("a\"\\\/\b\f\n\r\tz")"), "a\"\\/\b\f\n\r\tz");
  EXPECT_EQ(text_of(R"("\u0041\u00e9\u20AC")"), "A\xC3\xA9\xE2\x82\xAC");
  EXPECT_EQ(text_of(R"("\ud83d\ude00")"), "\xF0\x9F\x98\x80");
  EXPECT_EQ(text_of(R"("\u0000")"), std::string(1, '\0'));
  EXPECT_EQ(text_of("\"caf\xC3\xA9\""), "caf\xC3\xA9");
}

TEST(JsonReader, ReplacesHalvesOfSurrogates) {
  const std::string replaced = "\xEF\xBF\xBD";
  EXPECT_EQ(text_of(R"("\ud83d")"), replaced);
  EXPECT_EQ(text_of(R"("\ude00x")"), replaced + "x");
  EXPECT_EQ(text_of(R"("\ud83d\u0041")"), replaced + "A");
  EXPECT_EQ(text_of(R"("\ud83d\ud83d\ude00")"), replaced + "\xF0\x9F\x98\x80");
  EXPECT_EQ(text_of(R"("\ud83d\\u0041")"), replaced + "\\u0041");
}

TEST(JsonReader, WalksThroughObjectsAndLists) {
  EXPECT_EQ(walk(R"( { "a" : 1 , "b\n":[{"c":"}]\"" }, 2 ],"d":{ },"":null } )"),
            (std::vector<std::string>{"a=1", "b\n=[{\"c\":\"}]\\\"\" }, 2 ]", "d={ }", "=null"}));
  EXPECT_EQ(walk(R"([1,"a,]" , true, [ ], -2.5e3])"),
            (std::vector<std::string>{"=1", "=\"a,]\"", "=true", "=[ ]", "=-2.5e3"}));
  EXPECT_TRUE(walk("{ }").empty());
  EXPECT_TRUE(walk("[\n]").empty());
  EXPECT_TRUE(walk("\"[1]\"").empty()) << "a text has no members";
}

TEST(JsonReader, LeavesNumbersAsTheyAreWritten) {
  EXPECT_EQ(walk("[123456789012345678901234567890.10]"),
            std::vector<std::string>{"=123456789012345678901234567890.10"});
}

bool is_same(const std::string& a, const std::string& b) {
  const auto left = parse_json(a);
  const auto right = parse_json(b);
  EXPECT_TRUE(left && right);
  const bool same = is_same_json(*left, *right);
  EXPECT_EQ(same, is_same_json(*right, *left));
  return same;
}

TEST(SameJson, IsWrittenInManyWays) {
  EXPECT_TRUE(is_same(R"({"a":[1,{"b":"x"}],"c":null})", R"( { "c" : null, "a" : [ 1.0, {"b":"\u0078"} ] } )"));
  EXPECT_TRUE(is_same("100", "1e2"));
  EXPECT_TRUE(is_same("12345678901234567890", "12345678901234567168")) << "as doubles";
  EXPECT_TRUE(is_same(R"({"a":1,"a":2})", R"({"a":2})"));
  EXPECT_TRUE(is_same("{}", "{ }"));
}

TEST(SameJson, MeansTheSame) {
  for (const auto& [a, b] : std::vector<std::pair<std::string, std::string>>{{"1", "2"},
                                                                             {"1", "\"1\""},
                                                                             {"1e999", "1e999"},
                                                                             {"1e-400", "1e-400"},
                                                                             {"true", "false"},
                                                                             {"null", "false"},
                                                                             {"[]", "{}"},
                                                                             {"[1]", "[1,1]"},
                                                                             {"[1,2]", "[2,1]"},
                                                                             {R"({"a":1})", R"({"b":1})"},
                                                                             {R"({"a":1})", R"({"a":1,"b":1})"},
                                                                             {R"({"a":1})", R"({"a":2})"},
                                                                             {R"(["a"])", R"(["A"])"}}) {
    EXPECT_FALSE(is_same(a, b)) << a << " " << b;
  }
}

TEST(SameJson, EndsAtADepth) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(is_same(nested(kMaxComparedDepth), nested(kMaxComparedDepth)));
  EXPECT_FALSE(is_same(nested(kMaxComparedDepth + 2), nested(kMaxComparedDepth + 2)));
}

}  // namespace
}  // namespace trilby
