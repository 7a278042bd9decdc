#include <string>
#include <string_view>

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "http/codec_transcript.h"
#include "http/http1_codec.h"

namespace trilby::http {
namespace {

constexpr ResponseParser::Limits kLimits{.head_bytes = 512, .fields = 10};

/// What the parser makes of `bytes` and the end of the connection: the same however they are cut.
std::string read(std::string_view bytes, std::string_view method = "GET") {
  const auto read_cut = [&](std::size_t first, std::size_t step) {
    ResponseTranscript transcript(kLimits, method);
    transcript.feed(bytes.substr(0, first));
    for (std::size_t at = first; at < bytes.size(); at += step) {
      transcript.feed(bytes.substr(at, step));
    }
    transcript.end_of_input();
    EXPECT_EQ(transcript.broken(), "");
    return transcript.text();
  };
  const std::string whole = read_cut(bytes.size(), 1);
  EXPECT_EQ(read_cut(0, 1), whole) << "byte by byte";
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    EXPECT_EQ(read_cut(cut, bytes.size()), whole) << "cut at " << cut;
  }
  return whole;
}

/// What comes of a response whose end of the connection is the end of the transcript's last request too.
std::string read_one(std::string_view bytes, std::string_view method = "GET") {
  std::string text = read(bytes, method);
  // The transcript expects another response, which does not come.
  constexpr std::string_view kNoOther = "end\nrefused upstream-failed\n";
  if (text.ends_with(kNoOther)) {
    text.resize(text.size() - kNoOther.size() + 4);
  }
  return text;
}

std::string read_with_field(std::string_view line) {
  return read(fmt::format("HTTP/1.1 200 OK\r\n{}\r\n\r\n", line));
}

const std::string kRefused = "refused upstream-failed\n";

std::string_view detail_of(std::string_view bytes) {
  ResponseTranscript transcript(kLimits, "GET");
  transcript.feed(bytes);
  transcript.end_of_input();
  return transcript.parser().detail();
}

TEST(ResponseParser, ReadsABodyOfKnownLength) {
  EXPECT_EQ(read_one("HTTP/1.1 200 OK\r\nContent-Type:  text/plain \r\nContent-Length: 5\r\n\r\nhello"),
            "head 200 [Content-Type: text/plain]\nbody hello\nend\n");
  EXPECT_EQ(read_one("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), "head 404\nend\n");
}

TEST(ResponseParser, ReadsAStatusLineWithoutPhrase) {
  EXPECT_EQ(read_one("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"), "head 200\nend\n");
  EXPECT_EQ(read_one("HTTP/1.1 200 gr\xc3\xbc\xc3\x9f\r\nContent-Length: 0\r\n\r\n"), "head 200\nend\n");
}

TEST(ResponseParser, ReadsChunksAndForgetsExtensionsAndTrailers) {
  EXPECT_EQ(read_one("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0A\r\n0123456789\r\n0\r\n"
                     "Trailer-Field: x\r\n\r\n"),
            "head 200 chunked\nbody abc0123456789\nend\n");
}

TEST(ResponseParser, ReadsABodyThatEndsWithTheConnection) {
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\n\r\nhello"), "head 200 close until-close\nbody hello\nend\n");
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\n\r\n"), "head 200 close until-close\nend\n");
  EXPECT_EQ(read("HTTP/1.0 200 OK\r\n\r\nhello"), "head 200 1.0 close until-close\nbody hello\nend\n");
}

TEST(ResponseParser, ReadsResponsesOneAfterTheOther) {
  EXPECT_EQ(read_one("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"
                     "HTTP/1.1 204 No Content\r\n\r\n"
                     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nc\r\n0\r\n\r\n"),
            "head 200\nbody ab\nend\nhead 204\nend\nhead 200 chunked\nbody c\nend\n");
}

TEST(ResponseParser, AnAnswerToHeadHasNoBodyWhateverItSays) {
  EXPECT_EQ(read_one("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "HTTP/1.1 200 OK\r\n\r\n",
                     "HEAD"),
            "head 200 [content-length: 5]\nend\nhead 200\nend\nhead 200\nend\n");
}

TEST(ResponseParser, NoContentAndNotModifiedHaveNoBody) {
  EXPECT_EQ(read_one("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\nHTTP/1.1 304 Not Modified\r\n"
                     "Content-Length: 7\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n"),
            "head 204\nend\nhead 304 [content-length: 7]\nend\nhead 304\nend\n");
  EXPECT_EQ(read("HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\na"), kRefused);
  EXPECT_EQ(read("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), kRefused);
}

TEST(ResponseParser, SkipsInterimResponses) {
  EXPECT_EQ(
      read_one("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
               "HTTP/1.1 150 What\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\nA: b\r\n\r\nx"),
      "head 200 [A: b]\nbody x\nend\n");
  EXPECT_EQ(read("HTTP/1.1 100 Continue\r\nContent-Length: 1\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), kRefused);
  EXPECT_EQ(read("HTTP/1.1 104 What\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), kRefused);
  EXPECT_EQ(read("HTTP/1.1 100 Continue\r\n\r\n"), kRefused);
}

TEST(ResponseParser, BoundsInterimResponses) {
  const auto with_interim = [](std::uint32_t count) {
    std::string bytes;
    for (std::uint32_t i = 0; i < count; ++i) {
      bytes += "HTTP/1.1 100 Continue\r\n\r\n";
    }
    return bytes + "HTTP/1.1 204 No Content\r\n\r\n";
  };
  const std::string most = with_interim(ResponseParser::kMaxInterim);
  EXPECT_EQ(read_one(most + most), "head 204\nend\nhead 204\nend\n");  // for each request
  EXPECT_EQ(read(with_interim(ResponseParser::kMaxInterim + 1)), kRefused);
  EXPECT_EQ(read("HTTP/1.1 103 Early Hints\r\nA: " + std::string(300, 'x') +
                 "\r\n\r\nHTTP/1.1 200 OK\r\nA: " + std::string(300, 'x') + "\r\n\r\n"),
            kRefused);
}

TEST(ResponseParser, RefusesAChangeOfProtocol) {
  EXPECT_EQ(read("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"), kRefused);
  EXPECT_EQ(read_one("HTTP/1.1 200 OK\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\na"),
            "head 200\nbody a\nend\n");
}

TEST(ResponseParser, KnowsWhenTheConnectionEnds) {
  EXPECT_EQ(read_one("HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 1\r\n\r\na"),
            "head 200 close\nbody a\nend\n");
  EXPECT_EQ(read_one("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na"),
            "head 200 1.0 close\nbody a\nend\n");
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nab"),
            "head 200 close\nbody a\nend\n" + kRefused);
}

TEST(ResponseParser, KeepsFieldsThatAreAboutTheConnection) {
  EXPECT_EQ(read_one("HTTP/1.1 200 OK\r\nX-Mine: 1\r\nConnection: x-mine\r\nKeep-Alive: timeout=5\r\nTrailer: A\r\n"
                     "Content-Length: 0\r\nExpect: x\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n"),
            "head 200 [Expect: x] [Set-Cookie: a] [Set-Cookie: b]\nend\n");
}

TEST(ResponseParser, RefusesWhatEndsBeforeItsTime) {
  for (const char* bytes : {"", "H", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r",
                            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r"}) {
    EXPECT_EQ(read(bytes), kRefused) << bytes;
  }
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"), "head 200\nbody hell\n" + kRefused);
  for (const char* chunks : {"", "5", "5\r\n", "5\r\nhello", "5\r\nhello\r\n", "5\r\nhello\r\n0\r\n"}) {
    const auto text = read(fmt::format("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}", chunks));
    EXPECT_TRUE(text.ends_with(kRefused)) << text;
    EXPECT_EQ(text.find("end\n"), std::string::npos) << text;
  }
}

TEST(ResponseParser, RefusesBadStatusLines) {
  for (const char* line :
       {"HTTP/1.1",         "HTTP/1.1 ",         "HTTP/1.1 20 OK",   "HTTP/1.1 2000 OK", "HTTP/1.1 abc",
        "HTTP/1.1 099",     "HTTP/1.1 600",      "HTTP/1.1 999 Odd", "HTTP/2.0 200 OK",  "HTTP/0.9 200 OK",
        "HTTP/1.2 200 OK",  "http/1.1 200 OK",   "ICY 200 OK",       "RTSP/1.0 200 OK",  "HTTP/1.1  200 OK",
        " HTTP/1.1 200 OK", "HTTP/1.1 200 OK\n", "GET / HTTP/1.1",   "HTTP/1.1 -20 OK",  "\x16\x03\x01"}) {
    EXPECT_EQ(read(fmt::format("{}\r\nContent-Length: 0\r\n\r\n", line)), kRefused) << line;
  }
}

TEST(ResponseParser, RefusesLengthsThatCanBeReadTwoWays) {
  for (const char* line :
       {"Content-Length: 1\r\nContent-Length: 1", "Content-Length: 1\r\nContent-Length: 2", "Content-Length: 1, 1",
        "Content-Length: +1", "Content-Length: -1", "Content-Length: 0x1",
        "Content-Length:", "Content-Length: 18446744073709551616", "Content-Length: 1\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 1", "Transfer-Encoding: gzip",
        "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding: identity",
        "Transfer-Encoding:"}) {
    EXPECT_EQ(read_with_field(line), kRefused) << line;
  }
  EXPECT_EQ(read("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), kRefused);
}

TEST(ResponseParser, RefusesBadFields) {
  using namespace std::string_literals;
  for (const std::string& line : {"A : b"s, " A: b"s, "A: b\r\n c"s, "A: b\r\n\tc"s, "A: b\rc"s, "A: b\nC: d"s,
                                  "A: \0"s, "A: b\x7f"s, "A\0: b"s, ": b"s, "A"s, "A(: b"s, "A: b\r"s, "A: b\n"s}) {
    EXPECT_EQ(read_with_field(line), kRefused) << testing::PrintToString(line);
  }
}

TEST(ResponseParser, BoundsTheHeadAndTheChunks) {
  const auto head_of = [](std::size_t size) {
    const std::string begin = "HTTP/1.1 204 No Content\r\nA: ";
    return begin + std::string(size - begin.size() - 4, 'x') + "\r\n\r\n";
  };
  EXPECT_TRUE(read_one(head_of(kLimits.head_bytes)).ends_with("end\n"));
  EXPECT_EQ(read(head_of(kLimits.head_bytes + 1)), kRefused);
  EXPECT_EQ(read("HTTP/1.1 200 " + std::string(1000, 'x')), kRefused);
  std::string many = "HTTP/1.1 204 No Content\r\n";
  for (std::uint32_t i = 0; i <= kLimits.fields; ++i) {
    many += "A: b\r\n";
  }
  EXPECT_EQ(read(many + "\r\n"), kRefused);
  EXPECT_TRUE(
      read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(600, 'x') + "\r\na\r\n0\r\n\r\n")
          .ends_with(kRefused));
}

TEST(ResponseParser, RefusesWhatNobodyWaitsFor) {
  ResponseParser parser(kLimits);
  EXPECT_EQ(parser.next("").event, ParserEvent::NeedMore);
  EXPECT_EQ(parser.end_of_input().event, ParserEvent::NeedMore);
  EXPECT_EQ(parser.next("HTTP/1.1 200 OK\r\n\r\n").event, ParserEvent::Refused);
  EXPECT_EQ(parser.reason(), Reason::UpstreamFailed);
  parser.expect("GET");
  EXPECT_EQ(parser.next("HTTP/1.1 200 OK\r\n\r\n").event, ParserEvent::Refused);
}

TEST(ResponseParser, NothingFollowsABodyThatEndedWithTheConnection) {
  ResponseTranscript transcript(kLimits, "GET");
  transcript.feed("HTTP/1.1 200 OK\r\n\r\nhello");
  transcript.end_of_input();
  EXPECT_EQ(transcript.text(), "head 200 close until-close\nbody hello\nend\n");
  transcript.feed("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_TRUE(transcript.text().ends_with(kRefused));
}

TEST(ResponseParser, SaysWhatIsWrong) {
  EXPECT_EQ(detail_of("HTTP/1.1 700 x\r\n\r\n"), "Invalid status");
  EXPECT_EQ(detail_of("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"),
            "The connection ended in the body of the response");
  EXPECT_EQ(detail_of("HTTP/1.1 2"), "The connection ended in the head of the response");
  EXPECT_EQ(detail_of(""), "The connection ended before the response");
}

}  // namespace
}  // namespace trilby::http
