#include "http/http1_codec.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "http/codec_transcript.h"

namespace trilby::http {
namespace {

constexpr RequestParser::Limits kLimits{.head_bytes = 512, .fields = 10};

/// What the parser makes of `bytes`: the same whether they come at once, one by one, or cut anywhere.
std::string read(std::string_view bytes, RequestParser::Limits limits = kLimits) {
  CodecTranscript whole(limits);
  whole.feed(bytes);
  CodecTranscript single(limits);
  for (const char& byte : bytes) {
    single.feed({&byte, 1});
  }
  EXPECT_EQ(single.text(), whole.text()) << "byte by byte";
  EXPECT_EQ(single.broken(), "");
  EXPECT_EQ(whole.broken(), "");
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    CodecTranscript halves(limits);
    halves.feed(bytes.substr(0, cut));
    halves.feed(bytes.substr(cut));
    EXPECT_EQ(halves.text(), whole.text()) << "cut at " << cut;
  }
  return whole.text();
}

/// The same of a head that has `line` beside what it must have.
std::string read_with_field(std::string_view line) {
  return read(fmt::format("POST / HTTP/1.1\r\nHost: h\r\n{}\r\n\r\n", line));
}

const std::string kBad = "refused bad-request\n";
const std::string kTooLarge = "refused head-too-large\n";

TEST(RequestParser, ReadsARequestWithoutBody) {
  EXPECT_EQ(read("GET /a?b=c HTTP/1.1\r\nHost: example.org:80\r\nX-Name:  two words \t\r\nEmpty:\r\n\r\n"),
            "head GET /a?b=c [Host: example.org:80] [X-Name: two words] [Empty: ]\nend\n");
}

TEST(RequestParser, ReadsABodyOfKnownLength) {
  EXPECT_EQ(read("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"),
            "head POST / [Host: h]\nbody hello\nend\n");
  EXPECT_EQ(read("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"), "head POST / [Host: h]\nend\n");
  EXPECT_EQ(read("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel"), "head POST / [Host: h]\nbody hel\n");
}

TEST(RequestParser, ReadsChunksAndForgetsExtensionsAndTrailers) {
  EXPECT_EQ(read("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n"
                 "3;name=\"value\"\r\nabc\r\n00A\r\n0123456789\r\n0\r\nTrailer-Field: x\r\n\r\n"),
            "head POST / chunked [Host: h]\nbody abc0123456789\nend\n");
}

TEST(RequestParser, ReadsPipelinedRequestsOneAfterTheOther) {
  EXPECT_EQ(read("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n\r\n"
                 "POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab"
                 "GET /3 HTTP/1.1\r\nHost: h\r\n\r\n"),
            "head GET /1 [Host: h]\nend\nhead POST /2 [Host: h]\nbody ab\nend\nhead GET /3 [Host: h]\nend\n");
}

TEST(RequestParser, KnowsWhenThePeerWillNotAskAgain) {
  EXPECT_EQ(read("GET / HTTP/1.1\r\nHost: h\r\nConnection: Close\r\n\r\n"), "head GET / close [Host: h]\nend\n");
  EXPECT_EQ(read("GET / HTTP/1.0\r\n\r\n"), "head GET / 1.0 close\nend\n");
  EXPECT_EQ(read("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), "head GET / 1.0 close\nend\n");
}

TEST(RequestParser, KeepsHopByHopFieldsAndThoseThatConnectionNames) {
  EXPECT_EQ(read("GET / HTTP/1.1\r\nHost: h\r\nX-Mine: 1\r\nConnection: keep-alive, x-mine , Host\r\nKeep-Alive: 5\r\n"
                 "TE: trailers\r\nUpgrade: websocket\r\nProxy-Connection: x\r\nX-Other: 2\r\n\r\n"),
            "head GET / [Host: h] [X-Other: 2]\nend\n");
}

TEST(RequestParser, DoesNotTakeUpAnOfferedUpgrade) {
  EXPECT_EQ(read("GET /1 HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
                 "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n"),
            "head GET /1 [Host: h]\nend\nhead GET /2 [Host: h]\nend\n");
}

TEST(RequestParser, TellsOfAnOfferOfHttp2AndOfNoOther) {
  const auto settings_of = [](const std::string& fields) {
    RequestParser parser({});
    const std::string request = "GET / HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n";
    EXPECT_EQ(parser.next(request).event, RequestParser::Event::Head);
    EXPECT_EQ(parser.head().fields.count("upgrade"), 0U);
    return parser.h2c_settings();
  };
  EXPECT_EQ(settings_of("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"), "AAMA");
  EXPECT_EQ(
      settings_of("HTTP2-Settings: AAMA\r\nUpgrade: H2C\r\nConnection: upgrade\r\nConnection: http2-settings\r\n"),
      "AAMA");
  EXPECT_EQ(settings_of("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"), "");
  EXPECT_EQ(settings_of("Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"), "") << "not named";
  EXPECT_EQ(settings_of("Connection: HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"), "");
  EXPECT_EQ(settings_of("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: websocket\r\nHTTP2-Settings: AAMA\r\n"), "");
  EXPECT_EQ(
      settings_of("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\nHTTP2-Settings: "
                  "AAMA\r\n"),
      "");
}

TEST(RequestParser, AnOfferMayComeInAnyPieces) {
  EXPECT_EQ(read("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"
                 "Connection: upgrade, http2-settings\r\n\r\n"),
            "head GET / h2c AAMA [Host: h]\nend\n");
}

TEST(RequestParser, AnOfferIsThatOfItsRequestAlone) {
  RequestParser parser({});
  const std::string offer =
      "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: "
      "AAMA\r\n\r\n";
  ASSERT_EQ(parser.next(offer).event, RequestParser::Event::Head);
  ASSERT_EQ(parser.next({}).event, RequestParser::Event::End);
  ASSERT_EQ(parser.next("GET / HTTP/1.1\r\nHost: h\r\n\r\n").event, RequestParser::Event::Head);
  EXPECT_EQ(parser.h2c_settings(), "");
}

TEST(RequestParser, ReducesAbsoluteFormToPathAndHost) {
  EXPECT_EQ(read("GET http://real:8080/a?b HTTP/1.1\r\nHost: other\r\n\r\n"), "head GET /a?b [host: real:8080]\nend\n");
  EXPECT_EQ(read("GET HTTP://real?b HTTP/1.1\r\nHost: h\r\n\r\n"), "head GET /?b [host: real]\nend\n");
  EXPECT_EQ(read("OPTIONS http://real HTTP/1.1\r\nHost: h\r\n\r\n"), "head OPTIONS * [host: real]\nend\n");
  EXPECT_EQ(read("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"), "head OPTIONS * [Host: h]\nend\n");
}

TEST(RequestParser, TellsExpectations) {
  const auto expectation = [](std::string_view value) {
    CodecTranscript transcript(kLimits);
    transcript.feed(fmt::format("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n{}\r\n", value));
    return transcript.parser().framing().expectation;
  };
  EXPECT_EQ(expectation(""), Expectation::None);
  EXPECT_EQ(expectation("Expect: 100-Continue\r\n"), Expectation::Continue);
  EXPECT_EQ(expectation("Expect: 200-ok\r\n"), Expectation::Other);
  EXPECT_EQ(expectation("Expect: a\r\nExpect: 100-continue\r\n"), Expectation::Other);
}

TEST(RequestParser, RefusesBadRequestLines) {
  for (const char* line : {"GET / HTTP/1.1 ", "GET /", "GET / HTTP/0.9", "GET / HTTP/2.0", "GET / HTTP/1.2",
                           "GET / HTTP/1.10", "GET / http/1.1", "GET / RTSP/1.0", "get / HTTP/1.1", "BREW / HTTP/1.1",
                           "G@T / HTTP/1.1", "PRI * HTTP/2.0", "SOURCE / ICE/1.0", "GET / HTTP/1.1\n",
                           "GET /a b HTTP/1.1", "\x16\x03\x01", "GET\t/ HTTP/1.1", "GET / HTTP/1.1\r"}) {
    EXPECT_EQ(read(fmt::format("{}\r\nHost: h\r\n\r\n", line)), kBad) << line;
  }
}

TEST(RequestParser, RefusesBadTargets) {
  for (const char* target : {"a", "*", "ftp://h/", "http://", "http:///a", "http://user@h/", "//h\xc3\xa9", "/a#b",
                             "/\x01", "/\x7f", "/\xff", "h:80", "http://h /"}) {
    EXPECT_EQ(read(fmt::format("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", target)), kBad) << target;
  }
  EXPECT_EQ(read("CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n"), kBad);
}

TEST(RequestParser, RefusesAMissingDuplicateOrInvalidHost) {
  EXPECT_EQ(read("GET / HTTP/1.1\r\n\r\n"), kBad);
  EXPECT_EQ(read("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"), kBad);
  EXPECT_EQ(read("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"), kBad);
  EXPECT_EQ(read("GET http://a/ HTTP/1.1\r\n\r\n"), kBad);
  for (const char* host : {"a b", "a/b", "u@a", "a,b", "a\\b", "a?b"}) {
    EXPECT_EQ(read(fmt::format("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", host)), kBad) << host;
  }
  EXPECT_EQ(read("GET / HTTP/1.1\r\nHost:\r\n\r\n"), "head GET / [Host: ]\nend\n");
}

TEST(RequestParser, RefusesLengthsThatCanBeReadTwoWays) {
  for (const char* line : {"Content-Length: 1\r\nContent-Length: 1",
                           "Content-Length: 1\r\nContent-Length: 2",
                           "Content-Length: 1, 1",
                           "Content-Length: +1",
                           "Content-Length: -1",
                           "Content-Length: 0x1",
                           "Content-Length: 1 2",
                           "Content-Length:",
                           "Content-Length: 18446744073709551616",
                           "Content-Length: 1\r\nTransfer-Encoding: chunked",
                           "Transfer-Encoding: chunked\r\nContent-Length: 1",
                           "Transfer-Encoding: gzip",
                           "Transfer-Encoding: gzip, chunked",
                           "Transfer-Encoding: chunked, gzip",
                           "Transfer-Encoding: chunked, chunked",
                           "Transfer-Encoding: xchunked",
                           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                           "Transfer-Encoding:",
                           "Transfer-Encoding: identity",
                           "Transfer-Encoding: \vchunked"}) {
    EXPECT_EQ(read_with_field(line), kBad) << line;
  }
  EXPECT_EQ(read("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), kBad);
}

TEST(RequestParser, RefusesBadFields) {
  using namespace std::string_literals;
  for (const std::string& line :
       {"A : b"s, " A: b"s, "A: b\r\n c"s, "A: b\r\n\tc"s, "A: b\rc"s, "A: b\nC: d"s, "A: \0"s, "A: b\x7f"s, "A: \x01"s,
        "A\0: b"s, ": b"s, "A"s, "A(: b"s, "A\xc3\xa9: b"s, "A: b\r"s, "A: b\n"s}) {
    EXPECT_EQ(read_with_field(line), kBad) << testing::PrintToString(line);
  }
  EXPECT_EQ(read_with_field("A: \xc3\xa9"), "head POST / [Host: h] [A: \xc3\xa9]\nend\n");
}

TEST(RequestParser, RefusesBadChunks) {
  for (const char* chunks :
       {"g\r\n", "-1\r\n", "+1\r\na\r\n", "0x1\r\na\r\n", "\r\n", " 1\r\na\r\n", "1 \r\na\r\n", "1\na\r\n",
        "1\r\nab\r\n", "1\r\na\n", "10000000000000000\r\n", "fffffffffffffffff\r\n", "1;\x01\r\na\r\n",
        "1\r\na0\r\n\r\n", "0\r\nA : b\r\n\r\n", "0\r\n A: b\r\n\r\n", "1\r\na\r\n0\n\n", "1;a\nb\r\na\r\n"}) {
    const auto text = read(fmt::format("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{}", chunks));
    EXPECT_TRUE(text.ends_with(kBad)) << testing::PrintToString(chunks) << '\n' << text;
  }
}

TEST(RequestParser, BoundsWhatStandsBetweenTheChunks) {
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string end = "0\r\n\r\n";
  EXPECT_TRUE(read(head + "1;" + std::string(600, 'x') + "\r\na\r\n" + end).ends_with(kBad));
  EXPECT_TRUE(read(head + "0\r\nA: " + std::string(600, 'x') + "\r\n\r\n").ends_with(kBad));
  EXPECT_TRUE(read(head + std::string(600, '0') + "1\r\na\r\n" + end).ends_with(kBad));
  std::string many_small = head;
  for (int i = 0; i < 150; ++i) {
    many_small += "1\r\na\r\n";
  }
  EXPECT_TRUE(read(many_small + end).ends_with("end\n"));
}

TEST(RequestParser, BoundsTheHeadToTheByte) {
  const auto head_of = [](std::size_t size) {
    const std::string begin = "GET / HTTP/1.1\r\nHost: h\r\nA: ";
    return begin + std::string(size - begin.size() - 4, 'x') + "\r\n\r\n";
  };
  EXPECT_TRUE(read(head_of(kLimits.head_bytes)).ends_with("end\n"));
  EXPECT_EQ(read(head_of(kLimits.head_bytes + 1)), kTooLarge);
  EXPECT_EQ(read("GET /" + std::string(2000, 'x')), kTooLarge);
  EXPECT_EQ(read(std::string(2000, '\n')), kTooLarge);
  EXPECT_EQ(read("GET / HTTP/1.1\r\nHost: h\r\n" + std::string(2000, 'x')), kTooLarge);
}

TEST(RequestParser, BoundsTheNumberOfFields) {
  const auto head_of = [](std::uint32_t count) {
    std::string head = "GET / HTTP/1.1\r\nHost: h\r\n";
    for (std::uint32_t i = 1; i < count; ++i) {
      head += "A: b\r\n";
    }
    return head + "\r\n";
  };
  EXPECT_TRUE(read(head_of(kLimits.fields)).ends_with("end\n"));
  EXPECT_EQ(read(head_of(kLimits.fields + 1)), kTooLarge);
  EXPECT_EQ(read_with_field("Connection: a,b,c,d,e,f,g,h,i,j,k"), kTooLarge);
}

TEST(RequestParser, SaysWhatIsWrongAndStaysRefused) {
  CodecTranscript transcript(kLimits);
  transcript.feed("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(transcript.parser().detail(), "Missing Host");
  EXPECT_EQ(transcript.parser().next("GET / HTTP/1.1\r\nHost: h\r\n\r\n").event, RequestParser::Event::Refused);
}

TEST(RequestParser, KnowsWhetherARequestHasBegun) {
  CodecTranscript transcript(kLimits);
  EXPECT_TRUE(transcript.parser().between_requests());
  transcript.feed("G");
  EXPECT_FALSE(transcript.parser().between_requests());
  transcript.feed("ET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(transcript.parser().between_requests());
}

}  // namespace
}  // namespace trilby::http
