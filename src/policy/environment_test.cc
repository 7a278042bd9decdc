#include "policy/environment.h"

#include <string>

#include <gtest/gtest.h>

namespace trilby::policy {
namespace {

using namespace std::string_literals;

TEST(VariableName, IsWhatShellsTake) {
  for (const char* name : {"A", "_", "LANG", "a1", "NO_COLOR"}) {
    EXPECT_TRUE(is_variable_name(name)) << name;
  }
  for (const std::string& name : {""s, "1A"s, "A B"s, "A=B"s, "A-B"s, "\xC3\x84"s, "A\0B"s, std::string(129, 'A')}) {
    EXPECT_FALSE(is_variable_name(name)) << name;
  }
}

TEST(Environment, IsOneBlockOfPairs) {
  Environment environment;
  EXPECT_EQ(environment.block(), "");
  ASSERT_TRUE(environment.add("A", "1"));
  ASSERT_TRUE(environment.add("EMPTY", ""));
  EXPECT_EQ(environment.count(), 2U);
  EXPECT_EQ(environment.block(), "A=1\0EMPTY=\0"s);
}

TEST(Environment, RefusesAValueThatWouldEndEarly) {
  Environment environment;
  EXPECT_EQ(environment.add("A", "a\0b"s).error().reason, Reason::BadRequest);
  EXPECT_EQ(environment.count(), 0U);
}

TEST(Environment, IsBoundedInNumberAndInSize) {
  Environment many;
  for (std::size_t i = 0; i < kMaxVariables; ++i) {
    ASSERT_TRUE(many.add("A" + std::to_string(i), ""));
  }
  EXPECT_EQ(many.add("B", "").error().reason, Reason::HeadTooLarge);
  Environment large;
  EXPECT_TRUE(large.add("A", std::string(kMaxEnvironment - 3, 'x')));
  EXPECT_FALSE(large.add("B", ""));
  EXPECT_EQ(large.block().size(), kMaxEnvironment);
}

TEST(Environment, GoesWhenItIsMovedAndStaysWhenItIsCopied) {
  Environment first;
  ASSERT_TRUE(first.add("A", "1"));
  Environment copy = first;
  const Environment moved = std::move(first);
  EXPECT_EQ(moved.block(), "A=1\0"s);
  EXPECT_EQ(copy.block(), "A=1\0"s);
  copy = Environment();
  EXPECT_EQ(copy.count(), 0U);
}

}  // namespace
}  // namespace trilby::policy
