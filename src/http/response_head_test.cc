#include "http/response_head.h"

#include <gtest/gtest.h>

namespace trilby::http {
namespace {

std::string head(int status, BodyFraming framing, bool close = false) {
  std::string out;
  append_response_head(out, status, {{"a", "b"}}, framing, "today", close);
  return out;
}

TEST(ResponseHead, SaysHowTheBodyEnds) {
  using Kind = BodyFraming::Kind;
  EXPECT_EQ(head(200, {Kind::Length, 5}), "HTTP/1.1 200 OK\r\na: b\r\ndate: today\r\ncontent-length: 5\r\n\r\n");
  EXPECT_EQ(head(200, {Kind::Chunked, {}}),
            "HTTP/1.1 200 OK\r\na: b\r\ndate: today\r\ntransfer-encoding: chunked\r\n\r\n");
  EXPECT_EQ(head(204, {Kind::None, {}}), "HTTP/1.1 204 No Content\r\na: b\r\ndate: today\r\n\r\n");
  EXPECT_EQ(head(200, {Kind::Close, {}}, true), "HTTP/1.1 200 OK\r\na: b\r\ndate: today\r\nconnection: close\r\n\r\n");
}

TEST(ResponseHead, WritesStatusCodesItHasNoWordsFor) {
  EXPECT_TRUE(head(599, {}).starts_with("HTTP/1.1 599 \r\n"));
}

TEST(DateCache, WritesTheDateAsHttpWantsIt) {
  DateCache cache;
  EXPECT_EQ(cache.at(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(cache.at(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(cache.at(784111778), "Sun, 06 Nov 1994 08:49:38 GMT");
}

TEST(DateCache, FollowsAClockThatIsSetBack) {
  DateCache cache;
  EXPECT_EQ(cache.at(1'000'000'000), "Sun, 09 Sep 2001 01:46:40 GMT");
  EXPECT_EQ(cache.at(1'000'003'600), "Sun, 09 Sep 2001 02:46:40 GMT");
  EXPECT_EQ(cache.at(1'000'000'000), "Sun, 09 Sep 2001 01:46:40 GMT");
}

}  // namespace
}  // namespace trilby::http
