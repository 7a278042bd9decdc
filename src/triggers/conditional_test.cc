#include "triggers/conditional.h"

#include <gtest/gtest.h>

namespace trilby::triggers {
namespace {

const Validators kCurrent{"\"abc\"", 784111777};
constexpr std::string_view kDate = "Sun, 06 Nov 1994 08:49:37 GMT";

TEST(HttpDate, ReadsWhatItWrites) {
  EXPECT_EQ(http_date(784111777), kDate);
  EXPECT_EQ(parse_http_date(kDate), 784111777);
  EXPECT_EQ(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT"), std::nullopt);
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT and more"), std::nullopt);
  EXPECT_EQ(parse_http_date(""), std::nullopt);
}

bool is_not_modified(const Fields& fields) {
  return check_preconditions(fields, kCurrent) == Precondition::NotModified;
}
bool is_failed(const Fields& fields) {
  return check_preconditions(fields, kCurrent) == Precondition::Failed;
}

TEST(NotModified, ComparesTagsWeakly) {
  for (const std::string tags :
       {"\"abc\"", "W/\"abc\"", "\"x\", \"abc\"", "*", " * ", "\"a,b\",\"abc\"", "\"x\" \"abc\""}) {
    EXPECT_TRUE(is_not_modified({{"If-None-Match", tags}})) << tags;
  }
  for (const std::string tags :
       {"", "\"x\"", "abc", "\"abc", "\"", "\"\"", "**", "W/", "\"x\",\"ab\"\"c\"", "\"ABC\""}) {
    EXPECT_FALSE(is_not_modified({{"If-None-Match", tags}})) << tags;
  }
  EXPECT_TRUE(is_not_modified({{"If-None-Match", "\"x\""}, {"if-none-match", "\"abc\""}}));
}

TEST(NotModified, LooksAtTheDateOnlyWithoutATag) {
  EXPECT_TRUE(is_not_modified({{"If-Modified-Since", std::string(kDate)}}));
  EXPECT_FALSE(is_not_modified({{"If-Modified-Since", http_date(kCurrent.modified - 1)}}));
  EXPECT_FALSE(is_not_modified({{"If-Modified-Since", "yesterday"}}));
  EXPECT_FALSE(is_not_modified({{"If-Modified-Since", std::string(kDate)}, {"If-None-Match", "\"x\""}}));
  EXPECT_FALSE(is_not_modified({{"If-Modified-Since", std::string(kDate)}, {"If-Modified-Since", std::string(kDate)}}));
}

TEST(PreconditionFailed, ComparesTagsStrongly) {
  for (const std::string tags : {"\"abc\"", "\"x\", \"abc\"", "*", "W/\"abc\", \"abc\""}) {
    EXPECT_FALSE(is_failed({{"If-Match", tags}})) << tags;
  }
  for (const std::string tags : {"", "\"x\"", "W/\"abc\"", "abc", "\"abc", "\"ABC\"", "W/\"x\", W/\"abc\""}) {
    EXPECT_TRUE(is_failed({{"If-Match", tags}})) << tags;
  }
  EXPECT_FALSE(is_failed({{"If-Match", "\"x\""}, {"If-Match", "\"abc\""}}));
}

TEST(PreconditionFailed, LooksAtTheDateOnlyWithoutATag) {
  const std::string before = http_date(kCurrent.modified - 1);
  EXPECT_TRUE(is_failed({{"If-Unmodified-Since", before}}));
  EXPECT_FALSE(is_failed({{"If-Unmodified-Since", std::string(kDate)}}));
  EXPECT_FALSE(is_failed({{"If-Unmodified-Since", "yesterday"}}));
  EXPECT_FALSE(is_failed({{"If-Unmodified-Since", before}, {"If-Match", "\"abc\""}}));
}

TEST(Preconditions, ThatFailComeBeforeThoseThatSayNotModified) {
  EXPECT_TRUE(is_failed({{"If-None-Match", "\"abc\""}, {"If-Match", "\"x\""}}));
  EXPECT_TRUE(is_failed({{"If-Modified-Since", std::string(kDate)}, {"If-Match", "\"x\""}}));
  EXPECT_TRUE(is_not_modified({{"If-None-Match", "\"abc\""}, {"If-Match", "\"abc\""}}));
  EXPECT_EQ(check_preconditions({}, kCurrent), Precondition::Holds);
}

std::optional<std::pair<std::uint64_t, std::uint64_t>> range(const std::string& text, std::uint64_t size = 100,
                                                             const std::string& if_range = {}) {
  Fields fields{{"Range", text}};
  if (!if_range.empty()) {
    fields.add("If-Range", if_range);
  }
  const auto got = requested_range(fields, kCurrent, size);
  return got ? std::optional(std::pair(got->first, got->length)) : std::nullopt;
}

using Range = std::pair<std::uint64_t, std::uint64_t>;

TEST(Range, TakesOneRange) {
  EXPECT_EQ(range("bytes=0-9"), Range(0, 10));
  EXPECT_EQ(range("Bytes=90-"), Range(90, 10));
  EXPECT_EQ(range("bytes=-10"), Range(90, 10));
  EXPECT_EQ(range("bytes=0-0"), Range(0, 1));
  EXPECT_EQ(range("bytes=99-99"), Range(99, 1));
  EXPECT_EQ(range("bytes=50-1000"), Range(50, 50));
}

TEST(Range, DoesNotOverflow) {
  EXPECT_EQ(range("bytes=0-18446744073709551615"), Range(0, 100));
  EXPECT_EQ(range("bytes=0-99999999999999999999999999"), Range(0, 100));
  EXPECT_EQ(range("bytes=-99999999999999999999999999"), Range(0, 100));
  EXPECT_EQ(range("bytes=0-18446744073709551615", 18446744073709551615ULL), Range(0, 18446744073709551615ULL));
  EXPECT_EQ(range("bytes=99999999999999999999999999-").value().second, 0U);
}

TEST(Range, SaysWhatCannotBeSatisfied) {
  for (const char* text : {"bytes=100-", "bytes=100-200", "bytes=-0"}) {
    EXPECT_EQ(range(text).value().second, 0U) << text;
  }
  EXPECT_EQ(range("bytes=0-", 0).value().second, 0U);
  EXPECT_EQ(range("bytes=-5", 0).value().second, 0U);
}

TEST(Range, IgnoresWhatIsMalformedOrMany) {
  for (const char* text : {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=9-0", "bytes=0-1,5-6", "bytes=0-0,-1",
                           "items=0-1", "bytes=0 - 1", "bytes=+0-1", "bytes=0x0-1", "bytes=1", "bytes=--1"}) {
    EXPECT_EQ(range(text), std::nullopt) << text;
  }
  EXPECT_EQ(requested_range({{"Range", "bytes=0-1"}, {"Range", "bytes=5-6"}}, kCurrent, 100), std::nullopt);
}

TEST(Range, HoldsOnlyForTheVersionThatIfRangeNames) {
  EXPECT_EQ(range("bytes=0-9", 100, "\"abc\""), Range(0, 10));
  EXPECT_EQ(range("bytes=0-9", 100, std::string(kDate)), Range(0, 10));
  EXPECT_EQ(range("bytes=0-9", 100, "\"old\""), std::nullopt);
  EXPECT_EQ(range("bytes=0-9", 100, "W/\"abc\""), std::nullopt);
  EXPECT_EQ(range("bytes=0-9", 100, http_date(kCurrent.modified + 1)), std::nullopt);
}

}  // namespace
}  // namespace trilby::triggers
