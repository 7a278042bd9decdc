#include "observe/span.h"

#include <limits>

#include <gtest/gtest.h>

#include "base/text.h"
#include "observe/test_spans.h"

namespace trilby::observe {
namespace {

const SpanIds kIds{
    {0x0102030405060708U, 0x090a0b0c0d0e0f10U}, 0x1112131415161718U, 0x2122232425262728U, true, "vendor=1,other=2"};

TEST(Span, IsWhatThePublishedSchemaSays) {
  SpanWriter writer;
  std::string batch;
  writer.begin(kIds, SpanKind::Server, "POST /api", 1'000, 2'000'000'000'000'000'000U);
  writer.attribute("http.request.method", std::string_view("POST"));
  writer.attribute("http.response.status_code", std::int64_t{503});
  writer.attribute("negative", std::int64_t{-1});
  writer.attribute("trilby.run_seconds", 0.25);
  writer.link({{1, 2}, 3, true});
  writer.fail(Reason::Overloaded, 503);
  writer.end(batch);
  writer.begin({{0, 1}, 2, 0, false, {}}, SpanKind::Internal, "", 0, 0);
  writer.end(batch);
  const auto spans = read_spans(batch);
  ASSERT_EQ(spans.size(), 2U);
  EXPECT_EQ(spans[0].trace, "0102030405060708090a0b0c0d0e0f10");
  EXPECT_EQ(spans[0].id, "1112131415161718");
  EXPECT_EQ(spans[0].parent, "2122232425262728");
  EXPECT_EQ(spans[0].state, "vendor=1,other=2");
  EXPECT_EQ(spans[0].flags, 0x301U);
  EXPECT_EQ(spans[0].name, "POST /api");
  EXPECT_EQ(spans[0].kind, 2U);
  EXPECT_EQ(spans[0].start, 1'000U);
  EXPECT_EQ(spans[0].end, 2'000'000'000'000'000'000U);
  EXPECT_EQ(spans[0].status, 2U);
  const std::map<std::string, std::string> attributes = {{"http.request.method", "POST"},
                                                         {"http.response.status_code", "503"},
                                                         {"negative", "-1"},
                                                         {"trilby.run_seconds", "0.25"},
                                                         {"error.type", "overloaded"}};
  EXPECT_EQ(spans[0].attributes, attributes);
  EXPECT_EQ(spans[0].links, std::vector<std::string>{"00000000000000010000000000000002/0000000000000003/301"});
  EXPECT_EQ(spans[1].parent, "") << "it has none";
  EXPECT_EQ(spans[1].status, 0U);
  EXPECT_EQ(spans[1].state, "");
  EXPECT_EQ(spans[1].flags, 0x101U);
  EXPECT_TRUE(spans[1].attributes.empty()) << "nothing is left of the span before";
}

TEST(Span, HoldsNoTextThatIsTooLongOrNoText) {
  SpanWriter writer;
  std::string batch;
  writer.begin(kIds, SpanKind::Server, "GET \xff\n", 0, 0);
  writer.attribute("url.path", std::string_view("/\xc0\x80\x1b[31m\0x", 9));
  writer.attribute("long", std::string_view(std::string(100'000, 'a')));
  writer.attribute("just right", std::string_view(std::string(kMaxAttributeBytes, 'b')));
  writer.end(batch);
  const ReadSpan span = read_spans(batch).at(0);
  EXPECT_TRUE(is_utf8(span.name) && !has_control_characters(span.name)) << span.name;
  for (const auto& [name, value] : span.attributes) {
    EXPECT_TRUE(is_utf8(value) && !has_control_characters(value)) << name;
    EXPECT_LE(value.size(), kMaxAttributeBytes + 3) << name;
  }
  EXPECT_EQ(span.attributes.at("just right"), std::string(kMaxAttributeBytes, 'b'));
  EXPECT_LT(batch.size(), 1200U);
}

}  // namespace
}  // namespace trilby::observe
