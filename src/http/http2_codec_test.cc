#include "http/http2_codec.h"

#include <string>

#include <gtest/gtest.h>

#include "http/base64url.h"
#include "http/http2_transcript.h"

namespace trilby::http {
namespace {

using namespace std::chrono_literals;

constexpr Http2Limits kLimits{};
constexpr int kProtocol = 1;
constexpr int kFlowControl = 3;
constexpr int kFrameSize = 6;
constexpr int kCompression = 9;
constexpr int kCalm = 11;

/// What the codec makes of a start and these frames, and then sends.
struct Told {
  explicit Told(std::string_view frames, const Http2Limits& limits = kLimits) : transcript(limits) {
    transcript.feed(http2_start() + std::string(frames));
    transcript.drain();
    EXPECT_EQ(transcript.broken(), "");
  }
  [[nodiscard]] std::string text() const { return transcript.text(); }
  [[nodiscard]] int goaway() const { return transcript.goaway(); }
  /// Whether a frame was sent that begins so.
  [[nodiscard]] bool sent(FrameType type, std::uint8_t flags, StreamId stream, std::string_view payload) const {
    return transcript.sent().find(http2_frame(type, flags, stream, payload)) != std::string::npos;
  }
  [[nodiscard]] bool reset(StreamId stream, char error) const {
    return sent(FrameType::RstStream, 0, stream, std::string(3, '\0') + error);
  }
  Http2Transcript transcript;
};

std::string repeated(int count, const std::function<std::string(int)>& frame) {
  std::string frames;
  for (int i = 0; i < count; ++i) {
    frames += frame(i);
  }
  return frames;
}

std::string window_update(StreamId stream, char by) {
  return http2_frame(FrameType::WindowUpdate, 0, stream, std::string(3, '\0') + by);
}

// ---- requests

TEST(Http2Codec, ReadsARequest) {
  const Told told(http2_request(1, http2_head("GET", "/a?b") + http2_field("x-a", "1")));
  EXPECT_EQ(told.text(), "head 1 GET /a?b 0 [x-a: 1] [host: h]\nend 1 \nopen 1 0 \n");
  EXPECT_EQ(told.goaway(), -1);
  EXPECT_TRUE(told.sent(FrameType::Settings, kAckFlag, 0, ""));
}

TEST(Http2Codec, ReadsABodyAndTrailers) {
  const Told told(http2_request(1, http2_head("POST"), kEndHeadersFlag) + http2_frame(FrameType::Data, 0, 1, "abc") +
                  http2_frame(FrameType::Data, kPaddedFlag, 1, std::string("\2def\0\0", 6)) +
                  http2_request(1, http2_field("grpc-status", "0")));
  EXPECT_EQ(told.text(), "head 1 POST / ? [host: h]\nend 1 abcdef [grpc-status: 0]\nopen 1 6 abcdef\n");
}

TEST(Http2Codec, TellsAnAnnouncedLength) {
  const Told told(http2_request(1, http2_head("POST") + http2_field("content-length", "3"), kEndHeadersFlag) +
                  http2_frame(FrameType::Data, kEndStreamFlag, 1, "abc"));
  EXPECT_EQ(told.text(), "head 1 POST / 3 [host: h]\nend 1 abc\nopen 1 3 abc\n");
}

TEST(Http2Codec, ResetsABodyThatIsNotAsLongAsAnnounced) {
  for (const char* body : {"ab", "abcd"}) {
    const Told told(http2_request(1, http2_head("POST") + http2_field("content-length", "3"), kEndHeadersFlag) +
                    http2_frame(FrameType::Data, kEndStreamFlag, 1, body));
    EXPECT_TRUE(told.reset(1, kProtocol));
    EXPECT_EQ(told.text().find("end"), std::string::npos);
  }
}

TEST(Http2Codec, JoinsCrumbsOfCookies) {
  const Told told(http2_request(1, http2_head() + http2_field("cookie", "a=1") + http2_field("x", "y") +
                                       http2_field("cookie", "b=2") + http2_field("cookie", "c=3")));
  EXPECT_EQ(told.text(), "head 1 GET / 0 [x: y] [cookie: a=1; b=2; c=3] [host: h]\nend 1 \nopen 1 0 \n");
}

TEST(Http2Codec, KeepsWhatIsAboutTheConnectionToItself) {
  const Told told(http2_request(1, http2_head() + http2_field("te", "trailers") + http2_field("trailer", "a") +
                                       http2_field("expect", "100-continue")));
  EXPECT_EQ(told.text(), "head 1 GET / 0 [host: h]\nend 1 \nopen 1 0 \n");
}

TEST(Http2Codec, TakesHostForAMissingAuthority) {
  const std::string head = http2_field(":method", "GET") + http2_field(":scheme", "https") + http2_field(":path", "/");
  EXPECT_EQ(Told(http2_request(1, head + http2_field("host", "a:1"))).text(),
            "head 1 GET / 0 [host: a:1]\nend 1 \nopen 1 0 \n");
  EXPECT_EQ(Told(http2_request(1, http2_head() + http2_field("host", "H"))).text(),
            "head 1 GET / 0 [host: H]\nend 1 \nopen 1 0 \n");
}

TEST(Http2Codec, RefusesInWordsWhatItUnderstandsAndDoesNotServe) {
  const std::string connect = http2_field(":method", "CONNECT") + http2_field(":authority", "a:1");
  const auto refusal = [](const std::string& block) {
    const Told told(http2_request(1, block));
    return told.text().substr(0, told.text().find('\n'));
  };
  EXPECT_EQ(refusal(connect), "refused 1 bad-request: CONNECT is not served here");
  EXPECT_EQ(refusal(http2_head() + http2_field("host", "other")), "refused 1 bad-request: Two hosts");
  EXPECT_EQ(refusal(http2_head("GET", "/a#b")), "refused 1 bad-request: Invalid request target");
  EXPECT_EQ(refusal(http2_head(std::string(33, 'M'))), "refused 1 bad-request: Invalid method");
  EXPECT_EQ(refusal(http2_field(":method", "GET") + http2_field(":scheme", "ftp") + http2_field(":path", "/") +
                    http2_field(":authority", "a")),
            "refused 1 bad-request: Unsupported scheme");
  EXPECT_EQ(refusal(http2_field(":method", "GET") + http2_field(":scheme", "http") + http2_field(":path", "/") +
                    http2_field(":authority", "user@a")),
            "refused 1 bad-request: Invalid Host");
}

TEST(Http2Codec, ResetsMalformedRequests) {
  for (const std::string& block :
       {http2_head() + http2_field("connection", "close"),
        http2_head() + http2_field("transfer-encoding", "chunked"),
        http2_head() + http2_field("keep-alive", "1"),
        http2_head() + http2_field("proxy-connection", "a"),
        http2_head() + http2_field("upgrade", "h2c"),
        http2_head() + http2_field("te", "gzip"),
        http2_head() + http2_field("A", "b"),
        http2_head() + http2_field("a b", "c"),
        http2_head() + http2_field("a", "b\r\nc: d"),
        http2_head() + http2_field("a", std::string("\0", 1)),
        http2_head() + http2_field("a", " b"),
        http2_head() + http2_field(":path", "/2"),
        http2_head() + http2_field(":status", "200"),
        http2_field("a", "b") + http2_head(),
        http2_head() + http2_field("content-length", "-1"),
        http2_head() + http2_field("content-length", "1"),
        http2_head() + http2_field("content-length", "0") + http2_field("content-length", "0"),
        http2_field(":method", "GET") + http2_field(":scheme", "http") + http2_field(":path", "/"),
        http2_head("GET", "http://a/"),
        http2_head("GET", "*"),
        http2_head("GET", "")}) {
    const Told told(http2_request(1, block));
    EXPECT_TRUE(told.reset(1, kProtocol)) << block;
    EXPECT_EQ(told.text().find("head"), std::string::npos) << block;
    EXPECT_EQ(told.goaway(), -1);
  }
}

TEST(Http2Codec, ReadsTheSameHoweverItIsCut) {
  const std::string all =
      http2_start() + http2_request(1, http2_head("POST"), kEndHeadersFlag) +
      http2_frame(FrameType::Data, 0, 1, "abcdef") + http2_request(3, http2_head()) +
      http2_frame(FrameType::Data, kEndStreamFlag, 1, "g") + http2_request(5, http2_head("POST"), 0) +
      http2_frame(FrameType::Continuation, kEndHeadersFlag, 5, http2_field("a", "b")) +
      http2_frame(FrameType::RstStream, 0, 5, std::string(4, '\0')) + http2_frame(FrameType::Settings, 0, 1, {});
  Http2Transcript whole(kLimits);
  whole.feed(all);
  whole.drain();
  EXPECT_EQ(whole.goaway(), kProtocol);
  for (std::size_t length = 1; length < 30; ++length) {
    Http2Transcript cut(kLimits);
    for (std::size_t at = 0; at < all.size(); at += length) {
      cut.feed(std::string_view(all).substr(at, length));
    }
    cut.drain();
    EXPECT_EQ(cut.text(), whole.text());
    EXPECT_EQ(cut.goaway(), whole.goaway());
    EXPECT_EQ(cut.broken(), "");
  }
}

// ---- limits

TEST(Http2Codec, RefusesHeadsOverTheirLimitsInWords) {
  std::string many = http2_head();
  for (int i = 0; i < 101; ++i) {
    many += http2_field("a", "");
  }
  EXPECT_TRUE(Told(http2_request(1, many)).text().starts_with("refused 1 head-too-large: Too many header fields\n"));
  std::string large = http2_head();
  for (int i = 0; i < 3; ++i) {
    large += http2_field("a", std::string(12'000, 'x'));
  }
  EXPECT_TRUE(Told(http2_request(1, large.substr(0, 16'000), kEndStreamFlag) +
                   http2_frame(FrameType::Continuation, 0, 1, large.substr(16'000, 16'000)) +
                   http2_frame(FrameType::Continuation, kEndHeadersFlag, 1, large.substr(32'000)))
                  .text()
                  .starts_with("refused 1 head-too-large: The header fields are too large\n"));
}

TEST(Http2Codec, EndsTheConnectionOfAHeadThatIsFarOverItsLimits) {
  std::string bomb = http2_head();
  // One field into the table, which each further byte repeats: 4000 bytes of it.
  bomb += '\x40' + http2_field("a", std::string(4000, 'x')).substr(1);
  bomb += std::string(500, '\xbe');
  const Told told(http2_request(1, bomb));
  EXPECT_EQ(told.goaway(), kCalm);
  EXPECT_EQ(told.text(), "");
}

TEST(Http2Codec, EndsTheConnectionOfAFloodOfContinuations) {
  const Told told(http2_request(1, http2_head(), 0) +
                  repeated(20, [](int) { return http2_frame(FrameType::Continuation, 0, 1, ""); }));
  EXPECT_EQ(told.goaway(), kCalm);
}

TEST(Http2Codec, ResetsTrailersOverTheirLimits) {
  std::string many;
  for (int i = 0; i < 101; ++i) {
    many += http2_field("a", "");
  }
  const Told told(http2_request(1, http2_head("POST"), kEndHeadersFlag) + http2_request(1, many));
  EXPECT_TRUE(told.reset(1, kCalm));
}

TEST(Http2Codec, RefusesStreamsOverTheLimit) {
  const Told told(repeated(3, [](int i) { return http2_request(static_cast<StreamId>(2 * i + 1), http2_head()); }),
                  {.streams = 2});
  EXPECT_TRUE(told.reset(5, 7));
  EXPECT_EQ(told.text().find("head 5"), std::string::npos);
}

TEST(Http2Codec, PutsOffStreamsWhoseHeadsTakeTooMuchTogether) {
  const std::string head = http2_head() + http2_field("a", std::string(600, 'x'));
  const Told told(http2_request(1, head) + http2_request(3, head), {.all_heads = 1'000});
  EXPECT_TRUE(told.text().starts_with("head 1"));
  EXPECT_TRUE(told.reset(3, 7));
  EXPECT_EQ(told.text().find("head 3"), std::string::npos);
}

TEST(Http2Codec, EndsTheConnectionOfRapidResets) {
  const auto one = [](int i) {
    const auto stream = static_cast<StreamId>(2 * i + 1);
    return http2_request(stream, http2_head()) +
           http2_frame(FrameType::RstStream, 0, stream, std::string("\0\0\0\x8", 4));
  };
  EXPECT_EQ(Told(repeated(20, one), {.resets = 20}).goaway(), -1);
  const Told told(repeated(30, one), {.resets = 20});
  EXPECT_EQ(told.goaway(), kCalm);
  EXPECT_EQ(told.text().find("head 43"), std::string::npos);
}

TEST(Http2Codec, CountsResetsThatThePeerProvokes) {
  for (const std::string& provocation : {http2_frame(FrameType::WindowUpdate, 0, 1, std::string("\x7f\xff\xff\xff", 4)),
                                         http2_frame(FrameType::Data, kEndStreamFlag, 1, "abcd")}) {
    const Told told(repeated(30,
                             [&](int i) {
                               const auto stream = static_cast<StreamId>(2 * i + 1);
                               std::string frame = provocation;
                               frame[8] = static_cast<char>(stream);
                               return http2_request(stream, http2_head("POST") + http2_field("content-length", "3"),
                                                    kEndHeadersFlag) +
                                      frame;
                             }),
                    {.resets = 20});
    EXPECT_EQ(told.goaway(), kCalm);
  }
  const Told malformed(
      repeated(30, [](int i) { return http2_request(static_cast<StreamId>(2 * i + 1), http2_field("a", "b")); }),
      {.resets = 20});
  EXPECT_EQ(malformed.goaway(), kCalm);
  const Told too_many(repeated(30, [](int i) { return http2_request(static_cast<StreamId>(2 * i + 1), http2_head()); }),
                      {.streams = 2, .resets = 20});
  EXPECT_EQ(too_many.goaway(), kCalm);
}

TEST(Http2Codec, TimeAllowsMoreResets) {
  Http2Transcript transcript({.resets = 5, .resets_per_second = 2});
  transcript.feed(http2_start());
  for (int i = 0; i < 50; ++i) {
    const auto stream = static_cast<StreamId>(2 * i + 1);
    transcript.feed(http2_request(stream, http2_head()) +
                    http2_frame(FrameType::RstStream, 0, stream, std::string(4, '\0')));
    transcript.pass(500ms);
  }
  transcript.drain();
  EXPECT_EQ(transcript.goaway(), -1);
}

TEST(Http2Codec, EndsTheConnectionOfChatterWithoutRequests) {
  const std::string open = http2_request(1, http2_head("POST"), kEndHeadersFlag);
  for (const std::string& frame :
       {http2_frame(FrameType::Ping, 0, 0, "12345678"), http2_frame(FrameType::Settings, 0, 0, ""),
        http2_frame(FrameType::Settings, 0, 0, std::string("\0\4\0\0\1\0", 6)), http2_frame(FrameType::Data, 0, 1, ""),
        http2_frame(FrameType::Data, kPaddedFlag, 1, std::string("\1\0", 2)), window_update(0, '\1'),
        window_update(1, '\1'), http2_frame(FrameType::Priority, 0, 1, std::string("\0\0\0\0\1", 5)),
        http2_frame(FrameType::RstStream, 0, 1, std::string(4, '\0')), http2_frame(std::uint8_t{0x77}, 0, 0, "x")}) {
    Http2Transcript transcript(kLimits);
    transcript.feed(http2_start() + open);
    for (int i = 0; i < 1'100 && !transcript.codec().is_done(); ++i) {
      transcript.feed(frame);
      transcript.drain();
    }
    EXPECT_EQ(transcript.goaway(), kCalm) << static_cast<int>(frame[3]);
  }
}

TEST(Http2Codec, DoesNotKeepAnswersToPingsThatNobodyTakes) {
  Http2Transcript transcript(kLimits);
  transcript.feed(http2_start() + repeated(200, [](int) { return http2_frame(FrameType::Ping, 0, 0, "12345678"); }));
  EXPECT_TRUE(transcript.codec().is_done());
}

TEST(Http2Codec, AnswersEarnTheWindowUpdatesForThem) {
  Http2Transcript transcript(kLimits);
  transcript.feed(http2_start() + http2_request(1, http2_head()));
  transcript.codec().respond(1, 200, {}, {.kind = BodyFraming::Kind::Chunked}, "now", true);
  for (int i = 0; i < 5'000; ++i) {
    transcript.drain();
    for (const StreamId stream : transcript.codec().take_hungry()) {
      transcript.codec().give(stream, std::string(4'096, 'x'), false, {});
    }
    const std::string by("\0\0\x10\0", 4);
    transcript.feed(http2_frame(FrameType::WindowUpdate, 0, 0, by) + http2_frame(FrameType::WindowUpdate, 0, 1, by));
  }
  transcript.drain();
  EXPECT_EQ(transcript.goaway(), -1);
  EXPECT_GT(transcript.codec().sent(1), 10'000'000U);
}

TEST(Http2Codec, IgnoresPriorities) {
  const Told told(http2_frame(FrameType::Priority, 0, 9, std::string("\0\0\0\3\xff", 5)) +
                  http2_frame(FrameType::Priority, 0, 1, std::string("\0\0\0\1\xff", 5)) +  // on itself
                  http2_request(1, std::string("\0\0\0\3\xff", 5) + http2_head() + http2_field("priority", "u=0, i"),
                                kEndStreamFlag | kEndHeadersFlag | 0x20));
  EXPECT_EQ(told.goaway(), -1);
  EXPECT_EQ(told.text(), "head 1 GET / 0 [priority: u=0, i] [host: h]\nend 1 \nopen 1 0 \n");
}

TEST(Http2Codec, EndsTheConnectionOfWhatBreaksTheProtocol) {
  const std::string post = http2_request(1, http2_head("POST"), kEndHeadersFlag);
  struct Case {
    std::string frames;
    int error;
  };
  for (const Case& one :
       {Case{http2_request(2, http2_head()), kProtocol}, Case{http2_request(0, http2_head()), kProtocol},
        Case{http2_frame(FrameType::Data, 0, 3, "a"), kProtocol},
        Case{http2_frame(FrameType::RstStream, 0, 3, std::string(4, '\0')), kProtocol},
        Case{http2_frame(FrameType::Ping, 0, 0, "1234"), kFrameSize},
        Case{http2_frame(FrameType::Settings, 0, 0, "1234"), kFrameSize},
        Case{http2_frame(FrameType::Settings, 0, 0, std::string("\0\4\xff\xff\xff\xff", 6)), kFlowControl},
        Case{http2_frame(FrameType::Settings, 0, 0, std::string("\0\2\0\0\0\7", 6)), kProtocol},
        Case{http2_frame(FrameType::WindowUpdate, 0, 0, std::string("\x7f\xff\xff\xff", 4)), kFlowControl},
        Case{http2_frame(FrameType::WindowUpdate, 0, 0, std::string(4, '\0')), kProtocol},
        Case{http2_request(1, "\xff\xff\xff\xff\xff\xff"), kCompression},
        Case{http2_request(1, http2_head(), 0) + http2_frame(FrameType::Ping, 0, 0, "12345678"), kProtocol},
        Case{http2_frame(FrameType::Continuation, kEndHeadersFlag, 1, ""), kProtocol},
        Case{http2_frame(std::uint8_t{5}, kEndHeadersFlag, 1, std::string(8, '\0')), kProtocol},
        Case{post + http2_frame(FrameType::Data, 0, 1, std::string(16'385, 'x')), kFrameSize},
        Case{post + http2_frame(FrameType::Data, kPaddedFlag, 1, "\x7f"), kProtocol}}) {
    const Told told(one.frames);
    EXPECT_EQ(told.goaway(), one.error) << one.frames;
    EXPECT_TRUE(const_cast<Told&>(told).transcript.codec().is_done());
  }
}

TEST(Http2Codec, EndsTheConnectionOfWhatDoesNotBeginAsItShould) {
  Http2Transcript other(kLimits);
  other.feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  other.drain();
  EXPECT_EQ(other.goaway(), kProtocol);
  Http2Transcript late(kLimits);
  late.feed(std::string(kHttp2Preface) + http2_frame(FrameType::Ping, 0, 0, "12345678"));
  late.drain();
  EXPECT_EQ(late.goaway(), kProtocol);
}

// ---- windows

TEST(Http2Codec, TakesNoMoreOfABodyThanItsWindow) {
  Http2Transcript transcript({.stream_window = 100'000});
  transcript.feed(http2_start() + http2_frame(FrameType::Settings, kAckFlag, 0, "") +
                  http2_request(1, http2_head("POST"), kEndHeadersFlag));
  transcript.drain();
  const std::string piece = http2_frame(FrameType::Data, 0, 1, std::string(10'000, 'x'));
  for (int i = 0; i < 10; ++i) {
    transcript.feed(piece);
  }
  transcript.drain();
  EXPECT_EQ(transcript.goaway(), -1);
  EXPECT_EQ(transcript.unread()[1], 100'000U);
  transcript.codec().consume(1, 60'000);
  transcript.drain();
  EXPECT_NE(transcript.sent().find(http2_frame(FrameType::WindowUpdate, 0, 1, std::string("\0\0\xea\x60", 4))),
            std::string::npos);
  for (int i = 0; i < 7; ++i) {
    transcript.feed(piece);
  }
  transcript.drain();
  EXPECT_TRUE(transcript.goaway() == kFlowControl ||
              transcript.sent().find(http2_frame(FrameType::RstStream, 0, 1, std::string("\0\0\0\3", 4))) !=
                  std::string::npos);
}

TEST(Http2Codec, WhatAClosedStreamLeftUnreadDoesNotNarrowTheWindowOfAll) {
  Http2Transcript transcript({.stream_window = 60'000, .window = 65'535});
  transcript.feed(http2_start() + http2_frame(FrameType::Settings, kAckFlag, 0, ""));
  transcript.drain();
  for (int i = 0; i < 20; ++i) {
    const auto stream = static_cast<StreamId>(2 * i + 1);
    transcript.feed(http2_request(stream, http2_head("POST"), kEndHeadersFlag) +
                    http2_frame(FrameType::Data, 0, stream, std::string(16'000, 'x')) +
                    http2_frame(FrameType::Data, 0, stream, std::string(16'000, 'x')) +
                    http2_frame(FrameType::RstStream, 0, stream, std::string(4, '\0')));
    transcript.drain();
  }
  EXPECT_EQ(transcript.goaway(), -1);
}

TEST(Http2Codec, SendsOfABodyWhatThePeersWindowTakes) {
  Http2Transcript transcript(kLimits);
  transcript.feed(http2_start() + http2_request(1, http2_head()));
  transcript.codec().respond(1, 200, {}, {.kind = BodyFraming::Kind::Chunked}, "now", true);
  transcript.drain();
  EXPECT_EQ(transcript.codec().take_hungry(), std::vector<StreamId>{1});
  transcript.codec().give(1, std::string(100'000, 'x'), true, {});
  transcript.drain();
  EXPECT_EQ(transcript.codec().sent(1), 65'535U);
  EXPECT_TRUE(transcript.codec().has_unsent(1));
  EXPECT_TRUE(transcript.codec().take_hungry().empty());
  transcript.feed(http2_frame(FrameType::WindowUpdate, 0, 1, std::string("\0\1\0\0", 4)) +
                  http2_frame(FrameType::WindowUpdate, 0, 0, std::string("\0\1\0\0", 4)));
  transcript.drain();
  EXPECT_TRUE(transcript.text().ends_with("closed 1 answered \n"));
}

TEST(Http2Codec, SharesTheWireAmongStreams) {
  Http2Transcript transcript(kLimits);
  transcript.feed(http2_start() + http2_frame(FrameType::WindowUpdate, 0, 0, std::string("\0\xff\xff\xff", 4)) +
                  http2_request(1, http2_head()) +
                  // whatever they want
                  http2_request(3, http2_head() + http2_field("priority", "u=0")) + http2_request(5, http2_head()));
  for (const StreamId stream : {1U, 3U, 5U}) {
    transcript.codec().respond(stream, 200, {}, {.kind = BodyFraming::Kind::Chunked}, "now", true);
  }
  transcript.drain();
  for (const StreamId stream : transcript.codec().take_hungry()) {
    transcript.codec().give(stream, std::string(65'000, 'x'), false, {});
  }
  std::string out;
  EXPECT_FALSE(transcript.codec().write(out, 90'000, Clock::now()));
  for (const StreamId stream : {1U, 3U, 5U}) {
    EXPECT_GE(transcript.codec().sent(stream), 16'000U) << stream;
    EXPECT_LE(transcript.codec().sent(stream), 50'000U) << stream;
  }
}

// ---- answers

TEST(Http2Codec, SendsTrailersAfterTheBody) {
  Http2Transcript transcript(kLimits);
  transcript.feed(http2_start() + http2_request(1, http2_head()));
  transcript.codec().respond(1, 200, {{"Content-Type", "a"}, {"connection", "x"}, {"b", "c\r\nd"}},
                             {.kind = BodyFraming::Kind::Chunked}, "now", true);
  transcript.drain();
  transcript.codec().give(1, "abc", true, {{"Grpc-Status", "0"}});
  transcript.drain();
  EXPECT_NE(transcript.sent().find(http2_frame(FrameType::Data, 0, 1, "abc")), std::string::npos);
  EXPECT_TRUE(transcript.text().ends_with("closed 1 answered \n"));
  EXPECT_EQ(transcript.sent().find("connection"), std::string::npos);
}

TEST(Http2Codec, AsksForTheRestOfARequestNoMoreOnceItIsAnswered) {
  Http2Transcript transcript(kLimits);
  transcript.feed(http2_start() + http2_request(1, http2_head("POST"), kEndHeadersFlag));
  transcript.codec().respond(1, 413, {}, {}, "now", false);
  transcript.drain();
  EXPECT_TRUE(transcript.sent().ends_with(http2_frame(FrameType::RstStream, 0, 1, std::string(4, '\0'))));
  EXPECT_TRUE(transcript.text().ends_with("closed 1 answered \n"));
  transcript.feed(http2_frame(FrameType::Data, 0, 1, "still under way"));
  transcript.drain();
  EXPECT_EQ(transcript.goaway(), -1);
}

TEST(Http2Codec, AnAnswerWithAHeadThatIsTooLargeToBeSentIsAReset) {
  Http2Transcript transcript(kLimits);
  transcript.feed(http2_start() + http2_request(1, http2_head()));
  transcript.codec().respond(1, 200, {{"a", std::string(100'000, 'x')}}, {}, "now", false);
  transcript.drain();
  EXPECT_TRUE(transcript.text().ends_with("closed 1 \n"));
}

TEST(Http2Codec, WhatIsUnderWayEndsBeforeTheConnectionDoes) {
  Http2Transcript transcript(kLimits);
  transcript.feed(http2_start() + http2_request(1, http2_head()));
  transcript.codec().announce_end();
  transcript.drain();
  EXPECT_FALSE(transcript.codec().is_done());
  transcript.feed(http2_request(3, http2_head()));
  transcript.codec().refuse_new();
  transcript.drain();
  EXPECT_NE(transcript.sent().find(http2_frame(FrameType::GoAway, 0, 0, std::string("\0\0\0\3\0\0\0\0", 8))),
            std::string::npos);
  transcript.feed(http2_request(5, http2_head()));
  EXPECT_EQ(transcript.text().find("head 5"), std::string::npos);
  for (const StreamId stream : {1U, 3U}) {
    EXPECT_FALSE(transcript.codec().is_done());
    transcript.codec().respond(stream, 204, {}, {}, "now", false);
    transcript.drain();
  }
  EXPECT_TRUE(transcript.codec().is_done());
}

// ---- the upgrade

TEST(Http2Codec, AnswersAnUpgradedRequestAsStreamOne) {
  Http2Transcript transcript(kLimits);
  EXPECT_TRUE(transcript.codec().upgrade("AAMAAABkAAQAAP__", false));
  transcript.codec().respond(1, 204, {}, {}, "now", false);
  std::string out;
  transcript.codec().write(out, SIZE_MAX, Clock::now());
  EXPECT_EQ(out[3], static_cast<char>(FrameType::Settings));
  const auto events = transcript.codec().take_events();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_TRUE(events[0].answered);
}

TEST(Http2Codec, RefusesSettingsOfAnUpgradeThatAreNone) {
  for (const char* settings : {"AAMAAABk!AQAAP__", "AAM", "A", "AAMAAABkAAQAAP_"}) {
    Http2Codec codec(kLimits);
    EXPECT_FALSE(codec.upgrade(settings, false)) << settings;
  }
}

TEST(Base64Url, ReadsWhatEncodersWrite) {
  EXPECT_EQ(decode_base64url(""), "");
  EXPECT_EQ(decode_base64url("Zg"), "f");
  EXPECT_EQ(decode_base64url("Zm8"), "fo");
  EXPECT_EQ(decode_base64url("Zm9v"), "foo");
  EXPECT_EQ(decode_base64url("_-8"), "\xff\xef");
  for (const char* bad : {"Z", "Zh", "Zm9=", "Zm 8", "+/8"}) {
    EXPECT_EQ(decode_base64url(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace trilby::http
