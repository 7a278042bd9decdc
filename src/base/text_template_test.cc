#include "base/text_template.h"

#include <map>

#include <gtest/gtest.h>

namespace trilby {
namespace {

std::string filled(std::string_view text, const std::map<std::string, std::string, std::less<>>& values = {},
                   TextTemplate::Use use = TextTemplate::Use::Key) {
  const auto made = TextTemplate::parse(text);
  if (!made) {
    return made.error().message;
  }
  const auto result = made->fill(use, [&](std::string_view name) {
    const auto at = values.find(name);
    return at == values.end() ? nullptr : &at->second;
  });
  if (!result) {
    EXPECT_EQ(result.error().reason, Reason::BadRequest);
    return result.error().message;
  }
  return *result;
}

TEST(TextTemplate, PutsValuesInThePlaceOfNames) {
  EXPECT_EQ(filled("order-{CE_ID}", {{"CE_ID", "7"}}), "order-7");
  EXPECT_EQ(filled("{A}{B}/{A}", {{"A", "x"}, {"B", "y"}}), "xy/x");
  EXPECT_EQ(filled("plain || text"), "plain || text") << "the author of the manifest may write what he likes";
  EXPECT_EQ(filled("{{A}} {{{A}}}", {{"A", "x"}}), "{A} {x}");
  EXPECT_EQ(filled(""), "");
}

TEST(TextTemplate, RefusesWhatNamesNothing) {
  for (const char* text : {"{", "}", "{}", "{a}", "{A", "A}", "{A B}", "{{A}", "{A}}", "{\xc3\xa4}"}) {
    EXPECT_FALSE(TextTemplate::parse(text)) << text;
  }
  EXPECT_EQ(filled("x{a}"),
            "\"x{a}\" has a brace that belongs to no name; write names as in {CE_ID}, and a brace itself twice");
  EXPECT_FALSE(TextTemplate::parse(std::string(1025, 'x')));
  std::string many;
  for (std::size_t i = 0; i <= TextTemplate::kMaxNames; ++i) {
    many += "{A}";
  }
  EXPECT_FALSE(TextTemplate::parse(many));
  EXPECT_TRUE(TextTemplate::parse(many.substr(3)));
}

TEST(TextTemplate, NeedsAValueForEachName) {
  EXPECT_EQ(filled("{CE_ID}-{CE_SUBJECT}", {{"CE_ID", "1"}}), "CE_SUBJECT is needed, and the event has none");
}

TEST(TextTemplate, LetsNoValueBringPartsIntoAKey) {
  for (const char* value : {"7", "a-b_c.d~e:f@g+h=i,j", "0f8b7a52-16cb-4c30-9f93-6e1a8f1b2c3d"}) {
    EXPECT_EQ(filled("{A}", {{"A", value}}), value);
  }
  for (const char* value : {"a|b", "||", "a/b", "..", "a..b", "a\\b", "a b", "a%2Fb", "a?b", "a#b", "a\"b", "a\nb",
                            "{A}", "\xc3\xa4", "\xff", "*"}) {
    EXPECT_NE(filled("{A}", {{"A", value}}), value);
  }
  for (const char* text : {".{A}", "{A}.", "{A}{A}"}) {
    EXPECT_EQ(filled(text, {{"A", "."}}), "A makes two points in a row") << text;
  }
  EXPECT_EQ(filled(".{A}.{A}", {{"A", "7"}}), ".7.7");
  EXPECT_EQ(filled("{A}", {{"A", ""}}), "A is empty");
  EXPECT_EQ(filled("{A}", {{"A", std::string(257, 'x')}}), "A has more than 256 bytes");
  EXPECT_EQ(filled("{A}", {{"A", std::string("a\0b", 3)}}), "A has something else than letters, digits and -._~:@+=,");
}

TEST(TextTemplate, LetsATextHaveWords) {
  const auto text = [](std::string value) {
    return filled("<{A}>", {{"A", std::move(value)}}, TextTemplate::Use::Text);
  };
  EXPECT_EQ(text("https://shop/orders?x=1|2 \xc3\xa4"), "<https://shop/orders?x=1|2 \xc3\xa4>");
  EXPECT_EQ(text(""), "<>");
  for (const char* value : {"a\nb", "a\rb", "\x7f", "\xff"}) {
    EXPECT_EQ(text(value), "A has control characters, or is no UTF-8");
  }
  EXPECT_EQ(text(std::string(1025, 'x')), "A has more than 1024 bytes");
}

}  // namespace
}  // namespace trilby
