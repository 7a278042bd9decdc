// HTTP/2 on the server's connections: how it begins, many requests at a time, bodies both ways, limits, the end.
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "http/http2_test_client.h"
#include "http/server.h"
#include "http/test_bodies.h"
#include "http/test_server.h"
#include "net/stream.h"

namespace trilby::http {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kNoError = 0;
constexpr std::uint32_t kCalm = 11;
constexpr std::uint32_t kCancel = 8;

class Http2ServerTest : public testing::Test {
 protected:
  ~Http2ServerTest() override {
    if (server) {
      server->on_loop([this] {
        body.reset();
        later.clear();
      });
    }
  }

  /// Answers with method and target; keeps what begins with "/later".
  Handler handler() {
    return [this](const std::shared_ptr<Exchange>& exchange) {
      const RequestHead& head = exchange->head();
      ++begun;
      if (head.target.starts_with("/later")) {
        exchange->on_abandoned([this] { ++abandoned; });
        later[head.target] = exchange;
      } else if (head.target == "/echo") {
        echo(exchange);
      } else if (head.target == "/stream") {
        Response response;
        response.body = exchange->take_body();
        exchange->respond(std::move(response));
      } else if (head.target == "/endless") {
        exchange->on_abandoned([this] { ++abandoned; });
        later[head.target] = exchange;
        Response response;
        response.body = std::make_unique<EndlessBody>();
        exchange->respond(std::move(response));
      } else {
        exchange->respond(text_response(head.method + " " + head.target));
      }
    };
  }
  TestClient start(ServerLimits limits = {}) {
    server.emplace(handler(), limits);
    return server->connect();
  }
  TestClient serve(Handler given, ServerLimits limits = {}) {
    server.emplace(std::move(given), limits);
    return server->connect();
  }
  /// A server that answers with a scripted body.
  TestClient scripted(const ScriptedBody::Script& script) {
    return serve([this, script](const std::shared_ptr<Exchange>& exchange) {
      Response response;
      response.body = std::make_unique<ScriptedBody>(server->loop(), script);
      exchange->respond(std::move(response));
    });
  }
  bool has_later(const std::string& target) {
    return server->wait_until([&] { return later.contains(target); });
  }
  void answer(const std::string& target) {
    server->on_loop([&] {
      const auto node = later.extract(target);
      ASSERT_TRUE(node) << target;
      node.mapped()->respond(text_response(target));
    });
  }
  bool closed() {
    return server->wait_until([this] { return server->server().connections() == 0; });
  }

  std::map<std::string, std::shared_ptr<Exchange>> later;
  std::unique_ptr<BodySource> body;
  int begun = 0;
  int abandoned = 0;
  std::optional<TestServer> server;
};

// ---- how it begins

TEST_F(Http2ServerTest, AnswersWhoBeginsWithThePreface) {
  Http2TestClient client(start());
  for (const char* path : {"/1", "/2?q"}) {
    const auto answer = client.answer(client.get(path));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, std::string("GET ") + path);
    EXPECT_TRUE(answer.whole);
    EXPECT_EQ(*answer.fields.find("content-type"), "text/plain");
    EXPECT_EQ(answer.fields.find("date")->size(), 29U);
    EXPECT_EQ(*answer.fields.find("content-length"), std::to_string(answer.body.size()));
    EXPECT_EQ(answer.fields.find("connection"), nullptr);
  }
  EXPECT_EQ(server->server().connections(), 1U);
}

TEST_F(Http2ServerTest, APrefaceMayComeByteByByte) {
  auto client = start();
  for (const char byte : http2_start() + http2_request(1, http2_head("GET", "/a"))) {
    client.send({&byte, 1});
  }
  std::string came;
  while (came.find("GET /a") == std::string::npos) {
    const std::string bytes = client.take_bytes();
    ASSERT_FALSE(bytes.empty());
    came += bytes;
  }
}

TEST_F(Http2ServerTest, WhatOnlyBeginsLikeThePrefaceIsHttp1) {
  start();
  for (std::size_t size = 1; size < kHttp2Preface.size(); ++size) {
    auto client = server->connect();
    client.send(std::string(kHttp2Preface.substr(0, size)) + "!\r\n\r\n");
    client.shutdown_send();
    const Answer answer = client.answer();
    EXPECT_EQ(answer.status, 400) << size;
    EXPECT_TRUE(answer.head.starts_with("HTTP/1.1 400")) << answer.head;
    EXPECT_TRUE(client.at_end());
  }
  EXPECT_EQ(begun, 0);
}

TEST_F(Http2ServerTest, MethodsThatBeginAsThePrefaceDoesAreServedAtOnce) {
  start();
  for (const char* method : {"POST", "PUT", "PROPFIND", "PATCH"}) {
    auto client = server->connect();
    client.send(fmt::format("{} /x HTTP/1.1\r\nHost: h\r\n\r\n", method));
    EXPECT_EQ(client.answer().body, fmt::format("{} /x", method));
  }
}

TEST_F(Http2ServerTest, APrefaceThatDoesNotComeToItsEndIsASlowHead) {
  auto client = start({.head_timeout = 20ms});
  client.send("PRI * HTTP/2.0\r\n\r\n");
  EXPECT_EQ(client.answer().status, 408);
  EXPECT_TRUE(client.at_end());
}

TEST_F(Http2ServerTest, APrefaceInTheMiddleOfAConnectionIsGarbage) {
  auto client = start();
  EXPECT_EQ(client.get("/1").status, 200);
  client.send(http2_start());
  EXPECT_EQ(client.answer().status, 400);
  EXPECT_TRUE(client.at_end());
}

TEST_F(Http2ServerTest, GivesUpOnWhoBeginsAndSaysNothingMore) {
  auto client = start({.head_timeout = 20ms});
  client.send(kHttp2Preface);
  while (!client.take_bytes().empty()) {
  }
  client.close();
  EXPECT_TRUE(closed());
}

// ---- many at a time

// ---- Upgrade: h2c

constexpr std::string_view kOffer =
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";

ServerLimits with_upgrade() {
  ServerLimits limits;
  limits.h2c_upgrade = true;
  return limits;
}
std::string offering(std::string_view line) {
  return fmt::format("{} HTTP/1.1\r\nHost: test\r\n{}", line, kOffer);
}

TEST_F(Http2ServerTest, TakesUpAnUpgradeAndAnswersItsRequestFirst) {
  TestClient wire = start(with_upgrade());
  wire.send(offering("GET /upgraded"));
  const std::string head = wire.read_head();
  EXPECT_EQ(head, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n");
  Http2TestClient client = Http2TestClient::upgraded(std::move(wire), "AAMAAABkAAQAAP__");
  EXPECT_EQ(client.answer(1).body, "GET /upgraded");
  EXPECT_EQ(client.answer(client.get("/next")).body, "GET /next");
}

TEST_F(Http2ServerTest, AnUpgradeMayComeAfterOtherRequestsAndBeAnsweredLate) {
  TestClient wire = start(with_upgrade());
  EXPECT_EQ(wire.get("/before").body, "GET /before");
  wire.send(offering("GET /later"));
  EXPECT_TRUE(wire.read_head().starts_with("HTTP/1.1 101 "));
  Http2TestClient client = Http2TestClient::upgraded(std::move(wire), "AAMAAABkAAQAAP__");
  EXPECT_EQ(client.answer(client.get("/next")).body, "GET /next");
  server->on_loop([&] { later.at("/later")->respond(text_response("late")); });
  EXPECT_EQ(client.answer(1).body, "late");
}

TEST_F(Http2ServerTest, AnUpgradedRequestForAHeadIsAnsweredWithoutABody) {
  TestClient wire = start(with_upgrade());
  wire.send(offering("HEAD /"));
  EXPECT_TRUE(wire.read_head().starts_with("HTTP/1.1 101 "));
  Http2TestClient client = Http2TestClient::upgraded(std::move(wire), "AAMAAABkAAQAAP__");
  EXPECT_EQ(client.answer(1).status, 200);
  EXPECT_EQ(client.answer(1).body, "");
}

TEST_F(Http2ServerTest, WhoOffersAnUpgradeAndLeavesHasLeft) {
  TestClient wire = start(with_upgrade());
  wire.send(offering("GET /later"));
  EXPECT_TRUE(wire.read_head().starts_with("HTTP/1.1 101 "));
  wire.close();
  EXPECT_TRUE(server->wait_until([this] { return abandoned == 1 && server->server().connections() == 0; }));
}

TEST_F(Http2ServerTest, WhoIsUpgradedMustSpeakHttp2InTime) {
  ServerLimits limits = with_upgrade();
  limits.head_timeout = std::chrono::milliseconds(50);
  TestClient wire = start(limits);
  wire.send(offering("GET /"));
  EXPECT_TRUE(wire.read_head().starts_with("HTTP/1.1 101 "));
  EXPECT_FALSE(wire.take_bytes().empty());
  EXPECT_TRUE(server->wait_until([this] { return server->server().connections() == 0; }));
}

TEST_F(Http2ServerTest, WhoIsUpgradedAndSpeaksHttp1IsCutOff) {
  TestClient wire = start(with_upgrade());
  wire.send(offering("GET /") + "GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n");
  EXPECT_TRUE(wire.read_head().starts_with("HTTP/1.1 101 "));
  EXPECT_TRUE(server->wait_until([this] { return server->server().connections() == 0; }));
  EXPECT_EQ(begun, 1);
}

TEST_F(Http2ServerTest, AnUpgradeIsNotTakenUpWhenItCannotBe) {
  TestClient wire = start(with_upgrade());
  wire.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n" + std::string(kOffer) + "abc");
  EXPECT_EQ(wire.answer().body, "abc");
  wire.send(
      "GET /bad HTTP/1.1\r\nHost: test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
      "HTTP2-Settings: no!\r\n\r\n");
  EXPECT_EQ(wire.answer().body, "GET /bad");
}

TEST_F(Http2ServerTest, AnUpgradeIsNotTakenUpUnlessThatIsAllowed) {
  TestClient wire = start();
  wire.send(offering("GET /"));
  const Answer answer = wire.answer();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "GET /");
}

TEST_F(Http2ServerTest, AnswersManyRequestsAtATimeInAnyOrder) {
  Http2TestClient client(start());
  const auto first = client.get("/later1");
  const auto second = client.get("/later2");
  const auto third = client.get("/3");
  EXPECT_EQ(client.answer(third).body, "GET /3");
  ASSERT_TRUE(has_later("/later2"));
  answer("/later2");
  EXPECT_EQ(client.answer(second).body, "/later2");
  answer("/later1");
  EXPECT_EQ(client.answer(first).body, "/later1");
}

TEST_F(Http2ServerTest, ServesNoMoreStreamsAtATimeThanItMay) {
  Http2TestClient client(start({.streams = 2}));
  client.read_some();  // its settings, or nghttp2 would not hold to them
  const auto first = client.get("/later1");
  const auto second = client.get("/later2");
  const auto third = client.get("/3");  // waits at the client until one has ended
  ASSERT_TRUE(has_later("/later2"));
  EXPECT_EQ(begun, 2);
  answer("/later1");
  EXPECT_EQ(client.answer(first).body, "/later1");
  EXPECT_EQ(client.answer(third).body, "GET /3");
  answer("/later2");
  EXPECT_EQ(client.answer(second).body, "/later2");
}

TEST_F(Http2ServerTest, SharesTheConnectionAmongAnswers) {
  constexpr std::size_t kStreams = 10;
  // Answered when all have come, or the first would be through before the others are there.
  std::vector<std::shared_ptr<Exchange>> asked;
  Http2TestClient client(serve([&asked](const auto& exchange) {
                           asked.push_back(exchange);
                           if (asked.size() == kStreams) {
                             for (const auto& each : std::exchange(asked, {})) {
                               each->respond(text_response(std::string(2'000'000, 'x')));
                             }
                           }
                         }),
                         1 << 30);
  client.open_windows(0, 1 << 30);
  std::vector<std::uint32_t> streams;
  for (std::size_t i = 0; i < kStreams; ++i) {
    streams.push_back(client.get("/"));
  }
  // While the first comes to its end the others come near it.
  std::size_t least = SIZE_MAX;
  for (const auto stream : streams) {
    EXPECT_TRUE(client.answer(stream).whole);
    if (client.so_far(stream).place == 0) {
      for (const auto other : streams) {
        least = std::min(least, client.so_far(other).body.size());
      }
      break;
    }
  }
  EXPECT_GT(least, 1'000'000U);
}

TEST_F(Http2ServerTest, TellsHandlersWhatHttp1WouldHaveTold) {
  RequestHead seen;
  std::string peer;
  Http2TestClient client(serve([&](const std::shared_ptr<Exchange>& exchange) {
    seen = exchange->head();
    peer = exchange->peer();
    exchange->respond(text_response("ok"));
  }));
  client.answer(client.send({.method = "DELETE",
                             .path = "/a%20b?c",
                             .fields = {{"cookie", "a=1"}, {"x-b", "c"}, {"cookie", "d=2"}, {"te", "trailers"}}}));
  EXPECT_EQ(seen.method, "DELETE");
  EXPECT_EQ(seen.target, "/a%20b?c");
  EXPECT_EQ(*seen.fields.find("host"), "test");
  EXPECT_EQ(*seen.fields.find("cookie"), "a=1; d=2");
  EXPECT_EQ(*seen.fields.find("x-b"), "c");
  EXPECT_EQ(seen.fields.size(), 3U);
  EXPECT_TRUE(peer.starts_with("127.0.0.1:"));
}

TEST_F(Http2ServerTest, AnswersHeadWithTheLengthOnly) {
  Http2TestClient client(start());
  const auto answer = client.answer(client.send({.method = "HEAD", .path = "/h"}));
  EXPECT_EQ(*answer.fields.find("content-length"), "7");
  EXPECT_EQ(answer.body, "");
  EXPECT_TRUE(answer.whole);
}

TEST_F(Http2ServerTest, RefusesInWordsAndGoesOn) {
  Http2TestClient client(start());
  const auto wrong = client.answer(client.send({.fields = {{"host", "other"}}}));
  EXPECT_EQ(wrong.status, 400);
  EXPECT_EQ(wrong.body, "bad-request: Two hosts");
  Fields many;
  for (int i = 0; i < 101; ++i) {
    many.add("a", "b");
  }
  EXPECT_EQ(client.answer(client.send({.fields = many})).status, 431);
  EXPECT_EQ(client.answer(client.send({.fields = {{"a", std::string(33'000, 'x')}}})).status, 431);
  EXPECT_EQ(client.answer(client.send({.fields = {{"expect", "magic"}}})).status, 417);
  EXPECT_EQ(begun, 0);
  EXPECT_EQ(client.answer(client.get("/next")).body, "GET /next");
}

TEST_F(Http2ServerTest, AnExchangeThatNobodyAnswersIsADefect) {
  Http2TestClient client(start());
  const auto stream = client.get("/later");
  ASSERT_TRUE(has_later("/later"));
  server->on_loop([&] { later.clear(); });
  EXPECT_EQ(client.answer(stream).status, 500);
}

// ---- bodies in

TEST_F(Http2ServerTest, EchoesBodies) {
  Http2TestClient client(start());
  for (const std::size_t size : {0U, 1U, 5'000U, 1U << 20U}) {
    const std::string sent(size, 'b');
    const auto open = client.send({.method = "POST", .path = "/echo", .body = sent});
    client.open_windows(open, 1 << 20);
    EXPECT_EQ(client.answer(open).body.size(), size);
    const auto announced = client.send(
        {.method = "POST", .path = "/echo", .fields = {{"content-length", std::to_string(size)}}, .body = sent});
    client.open_windows(announced, 1 << 20);
    EXPECT_EQ(client.answer(announced).body.size(), size);
  }
}

TEST_F(Http2ServerTest, TellsTheLengthBeforehandAndHandsOverWhatIsThereAlready) {
  std::vector<std::optional<std::uint64_t>> lengths;
  std::vector<std::optional<std::string>> ready;
  Http2TestClient client(serve([&](const std::shared_ptr<Exchange>& exchange) {
    const auto source = exchange->take_body();
    lengths.push_back(source->length());
    ready.push_back(source->take_ready());
    exchange->respond(text_response("ok"));
  }));
  client.answer(client.get("/"));
  client.send_raw(http2_request(3, http2_head("POST") + http2_field("content-length", "3"), kEndHeadersFlag) +
                  http2_frame(FrameType::Data, kEndStreamFlag, 3, "abc") +
                  http2_request(5, http2_head("POST"), kEndHeadersFlag) + http2_frame(FrameType::Data, 0, 5, "abc"));
  EXPECT_TRUE(server->wait_until([&] { return lengths.size() == 3; }));
  EXPECT_EQ(lengths, (std::vector<std::optional<std::uint64_t>>{0, 3, std::nullopt}));
  EXPECT_EQ(ready, (std::vector<std::optional<std::string>>{"", "abc", std::nullopt}));
}

TEST_F(Http2ServerTest, InvitesABodyWhenItIsFirstWanted) {
  Http2TestClient client(start());
  const auto stream =
      client.send({.method = "POST", .path = "/echo", .fields = {{"expect", "100-continue"}}, .ends = false});
  EXPECT_TRUE(client.read_until([&] { return client.so_far(stream).was_invited; }));
  client.send_more(stream, "abc", true);
  EXPECT_EQ(client.answer(stream).body, "abc");
  const auto unwanted =
      client.send({.method = "POST", .path = "/unread", .fields = {{"expect", "100-continue"}}, .ends = false});
  EXPECT_EQ(client.answer(unwanted).status, 200);
  EXPECT_FALSE(client.so_far(unwanted).was_invited);
}

TEST_F(Http2ServerTest, AnUnwantedBodyCostsTheStreamAndNotTheConnection) {
  Http2TestClient client(start());
  for (int i = 0; i < 20; ++i) {
    const auto stream = client.send({.method = "POST", .path = "/unread", .body = std::string(500'000, 'x')});
    const auto answer = client.answer(stream);
    EXPECT_EQ(answer.body, "POST /unread");
    EXPECT_EQ(answer.reset.value_or(kNoError), kNoError);
  }
  EXPECT_EQ(client.answer(client.get("/next")).body, "GET /next");
}

TEST_F(Http2ServerTest, TakesNoFurtherThanABodyIsRead) {
  Http2TestClient client(start());
  const auto stream =
      client.send({.method = "POST", .path = "/later", .body = std::string(std::size_t{8} << 20U, 'x')});
  ASSERT_TRUE(has_later("/later"));
  // Another stream is not held up by it.
  EXPECT_EQ(client.answer(client.send({.method = "POST", .path = "/echo", .body = "abc"})).body, "abc");
  std::vector<std::size_t> got;
  const auto read = [&] {
    body->read([&](Result<BodySource::Chunk> chunk) { got.push_back(chunk ? chunk->bytes.size() : 0); });
  };
  server->on_loop([&] {
    body = later["/later"]->take_body();
    read();
  });
  ASSERT_EQ(got.size(), 1U);
  EXPECT_LE(got[0], 256U * 1024);
  client.answer(client.get("/turn"));
  server->on_loop([&] { read(); });
  client.read_until([&] {
    bool has_come = false;
    server->on_loop([&] { has_come = got.size() == 2; });
    if (!has_come) {
      client.get("/turn");
    }
    return has_come;
  });
  EXPECT_LE(got.back(), 256U * 1024);
  server->on_loop([&] {
    body.reset();
    later["/later"]->respond(text_response("enough"));
  });
  EXPECT_EQ(client.answer(stream).body, "enough");
}

TEST_F(Http2ServerTest, SaysWhenABodyStalls) {
  Http2TestClient client(start({.body_idle = 20ms}));
  const auto stream = client.send({.method = "POST", .path = "/echo", .body = "abc", .ends = false});
  const auto answer = client.answer(stream);
  EXPECT_EQ(answer.status, 408);
  EXPECT_EQ(answer.body, "request-timeout");
  EXPECT_EQ(client.answer(client.get("/next")).body, "GET /next");
}

TEST_F(Http2ServerTest, ReadsTrailersOfARequest) {
  Fields trailers;
  std::shared_ptr<void> reading;
  Http2TestClient client(serve([&](const std::shared_ptr<Exchange>& exchange) {
    reading = read_all(exchange->take_body(), 1_MiB, [&trailers, exchange](const Result<std::string>& whole) {
      trailers = exchange->take_trailers();
      exchange->respond(text_response(whole.value_or("failed")));
    });
  }));
  EXPECT_EQ(client.answer(client.send({.method = "POST", .body = "abc", .trailers = {{"x-sum", "1"}}})).body, "abc");
  server->on_loop([&] {
    ASSERT_NE(trailers.find("x-sum"), nullptr);
    EXPECT_EQ(*trailers.find("x-sum"), "1");
    reading.reset();
  });
}

// ---- bodies out

TEST_F(Http2ServerTest, SharesTheLoopWithOthersWhileALargeBodyGoesOut) {
  std::size_t first_turn = 0;
  serve([&](const std::shared_ptr<Exchange>& exchange) {
    Response response;
    response.body = std::make_unique<PiecesOfOneTurn>(server->loop(), first_turn);
    exchange->respond(std::move(response));
  });
  Http2TestClient client(server->connect(), 1U << 30U);
  client.open_windows(0, 1 << 30);
  EXPECT_EQ(client.answer(client.get("/")).body.size(), PiecesOfOneTurn::kSize);
  EXPECT_GT(first_turn, 0U);
  EXPECT_LE(first_turn, 3 * net::Stream::kMostAtOnce);
}

TEST_F(Http2ServerTest, SendsABodyPieceByPiece) {
  Http2TestClient client(scripted({.pieces = {"one ", "", "two ", "three"}}));
  const auto answer = client.answer(client.get("/"));
  EXPECT_TRUE(answer.whole);
  EXPECT_EQ(answer.body, "one two three");
  EXPECT_EQ(answer.fields.find("content-length"), nullptr);
}

TEST_F(Http2ServerTest, ABrokenBodyIsNotTakenForAWholeOne) {
  for (const auto& script : {ScriptedBody::Script{.pieces = {"one"}, .fails = true},
                             ScriptedBody::Script{.pieces = {"one"}, .length = 7, .fails = true},
                             ScriptedBody::Script{.pieces = {"one"}, .length = 7},
                             ScriptedBody::Script{.pieces = {"one", "two"}, .length = 4}}) {
    Http2TestClient client(scripted(script));
    const auto answer = client.answer(client.get("/"));
    EXPECT_FALSE(answer.whole);
    EXPECT_EQ(answer.reset, 2U);
    EXPECT_EQ(client.answer(client.get("/")).status, 200);
  }
}

TEST_F(Http2ServerTest, SendsTrailersAfterABody) {
  Http2TestClient client(serve([](const std::shared_ptr<Exchange>& exchange) {
    Response response = exchange->head().target == "/none" ? Response{} : text_response("abc");
    response.trailers = [] { return Fields{{"grpc-status", "0"}}; };
    exchange->respond(std::move(response));
  }));
  for (const char* path : {"/", "/none"}) {
    const auto answer = client.answer(client.get(path));
    EXPECT_TRUE(answer.whole);
    EXPECT_EQ(answer.body, std::string(path) == "/" ? "abc" : "");
    ASSERT_NE(answer.trailers.find("grpc-status"), nullptr);
    EXPECT_EQ(*answer.trailers.find("grpc-status"), "0");
  }
}

TEST_F(Http2ServerTest, CanAnswerWithTheBodyItIsReading) {
  Http2TestClient client(start());
  const auto stream = client.send({.method = "POST", .path = "/stream", .body = "abc", .ends = false});
  EXPECT_TRUE(client.read_until([&] { return client.so_far(stream).body == "abc"; }));
  client.send_more(stream, "def", true);
  EXPECT_EQ(client.answer(stream).body, "abcdef");
}

TEST_F(Http2ServerTest, SendsALargeBodyAsTheReaderTakesIt) {
  Http2TestClient client(
      serve([](const auto& exchange) { exchange->respond(text_response(std::string(3'000'000, 'x'))); }));
  const auto stream = client.get("/");
  EXPECT_TRUE(client.read_until([&] { return client.so_far(stream).body.size() == 65'535; }));
  for (std::size_t size = 65'535; size < 3'000'000;) {
    client.open_windows(stream, 100'000);
    size = std::min<std::size_t>(size + 100'000, 3'000'000);
    EXPECT_TRUE(client.read_until([&] { return client.so_far(stream).body.size() == size; }));
  }
  EXPECT_TRUE(client.answer(stream).whole);
}

TEST_F(Http2ServerTest, GivesUpOnAStreamWhoseWindowStaysClosed) {
  Http2TestClient client(start({.body_idle = 30ms}));
  const auto stream = client.get("/endless");
  EXPECT_EQ(client.answer(stream).reset, kCancel);
  EXPECT_TRUE(server->wait_until([&] { return abandoned == 1; }));
  EXPECT_EQ(client.answer(client.send({.method = "HEAD", .path = "/next"})).status, 200);
}

TEST_F(Http2ServerTest, GivesUpOnAReaderThatOpensItsWindowByLittle) {
  Http2TestClient client(start({.body_idle = 50ms, .body_rate = 1_GiB}));
  const auto stream = client.get("/endless");
  EXPECT_TRUE(client.read_until([&] {
    std::this_thread::sleep_for(2ms);
    client.open_windows(stream, 16);
    return client.so_far(stream).reset.has_value();
  }));
  EXPECT_TRUE(server->wait_until([&] { return abandoned == 1; }));
}

TEST_F(Http2ServerTest, GivesUpOnASocketThatStaysFull) {
  Http2TestClient client(start({.body_idle = 30ms}), 1 << 30);
  client.open_windows(0, 1 << 30);
  client.get("/endless");
  EXPECT_TRUE(server->wait_until([&] { return abandoned == 1; }));
  EXPECT_TRUE(closed());
}

TEST_F(Http2ServerTest, LeavesOutFieldsThatMayNotBeSent) {
  Http2TestClient client(serve([](const std::shared_ptr<Exchange>& exchange) {
    Response response = text_response("ok");
    for (const auto& [field, value] :
         {Field{"a", "b\r\nc: d"}, Field{"Transfer-Encoding", "chunked"}, Field{"connection", "close"},
          Field{"keep-alive", "1"}, Field{"p q", "r"}, Field{":status", "500"}, Field{"content-length", "99"}}) {
      response.fields.add(field, value);
    }
    response.fields.add("X-Fine", " value ");
    exchange->respond(std::move(response));
  }));
  const auto answer = client.answer(client.get("/"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.fields.size(), 4U);
  ASSERT_NE(answer.fields.find("x-fine"), nullptr);
  EXPECT_EQ(*answer.fields.find("x-fine"), "value");
}

// ---- who leaves

TEST_F(Http2ServerTest, AStreamThatIsBrokenOffCancelsItsCallAlone) {
  Http2TestClient client(start());
  const auto first = client.get("/later1");
  const auto second = client.get("/later2");
  ASSERT_TRUE(has_later("/later2"));
  client.reset(first);
  EXPECT_TRUE(server->wait_until([&] { return abandoned == 1; }));
  server->on_loop([&] {
    bool heard = false;
    later["/later1"]->on_abandoned([&] { heard = true; });  // too late, so at once
    EXPECT_TRUE(heard);
  });
  answer("/later1");  // harmless
  answer("/later2");
  EXPECT_EQ(client.answer(second).body, "/later2");
  EXPECT_EQ(abandoned, 1);
}

TEST_F(Http2ServerTest, WhoLeavesTakesAllCallsAlong) {
  for (const bool resets : {false, true}) {
    abandoned = 0;
    Http2TestClient client(start());
    client.get("/later1");
    client.get("/later2");
    ASSERT_TRUE(has_later("/later2"));
    resets ? client.wire().reset() : client.close();
    EXPECT_TRUE(server->wait_until([&] { return abandoned == 2; }));
    EXPECT_TRUE(closed());
    answer("/later1");  // harmless
    server->on_loop([&] { later.clear(); });
  }
}

TEST_F(Http2ServerTest, WhoReadsABodyHearsThatTheStreamWasBrokenOff) {
  Http2TestClient client(start());
  const auto stream = client.send({.method = "POST", .path = "/later", .body = "abc", .ends = false});
  ASSERT_TRUE(has_later("/later"));
  std::vector<std::string> heard;
  std::function<void(Result<BodySource::Chunk>)> listen = [&](Result<BodySource::Chunk> chunk) {
    heard.push_back(chunk ? chunk->bytes : std::string(name(chunk.error().reason)));
    if (chunk) {
      body->read(listen);
    }
  };
  server->on_loop([&] {
    body = later["/later"]->take_body();
    body->read(listen);
  });
  ASSERT_TRUE(server->wait_until([&] { return heard.size() == 1; }));
  client.reset(stream);
  EXPECT_TRUE(server->wait_until([&] { return heard.size() == 2; }));
  EXPECT_EQ(heard, (std::vector<std::string>{"abc", "cancelled"}));
}

TEST_F(Http2ServerTest, WhatIsBrokenOffAtOnceReachesNobody) {
  auto client = start();
  client.send(http2_start() + http2_request(1, http2_head("GET", "/later")) +
              http2_frame(FrameType::RstStream, 0, 1, std::string("\0\0\0\x8", 4)) +
              http2_request(3, http2_head("GET", "/later3")));
  ASSERT_TRUE(has_later("/later3"));
  EXPECT_EQ(begun, 1);
}

TEST_F(Http2ServerTest, DestroyingTheServerAbandonsWhatIsUnderWay) {
  Http2TestClient client(start());
  client.get("/later1");
  client.get("/later2");
  ASSERT_TRUE(has_later("/later2"));
  server->destroy_server();
  EXPECT_EQ(abandoned, 2);
  answer("/later1");  // harmless
}

// ---- floods

TEST_F(Http2ServerTest, RapidResetsAreTheEndOfTheConnection) {
  Http2TestClient client(start());
  std::string flood;
  for (StreamId stream = 1; stream < 2 * 2'000; stream += 2) {
    flood += http2_request(stream, http2_head("GET", "/later")) +
             http2_frame(FrameType::RstStream, 0, stream, std::string("\0\0\0\x8", 4));
  }
  client.send_raw(flood);
  EXPECT_EQ(client.goaway(), kCalm);
  client.close();
  EXPECT_TRUE(closed());
  EXPECT_LT(begun, 1'100);
}

/// As a sidecar does over one connection, for callers of which each has a fault of its own at most.
TEST_F(Http2ServerTest, WhoSpeaksForManyMayBreakOffWhatAllOfThemHaveBegun) {
  Http2TestClient client(start({.speaks_for_many = true}));
  const auto stream = client.get("/later-still");
  ASSERT_TRUE(has_later("/later-still"));
  std::string resets;
  for (StreamId other = stream + 2; other < 2 * 5'000; other += 2) {
    resets += http2_request(other, http2_head("GET", "/later")) +
              http2_frame(FrameType::RstStream, 0, other, std::string("\0\0\0\x8", 4));
  }
  client.send_raw(resets + http2_request(2 * 5'000 + 1, http2_head("GET", "/later-last")));
  ASSERT_TRUE(has_later("/later-last"));
  answer("/later-still");
  EXPECT_EQ(client.answer(stream).body, "/later-still");
}

TEST_F(Http2ServerTest, WhoSpeaksForManyMaySendAsManyHeadsAndBodiesAsThereAreStreams) {
  for (const bool for_many : {false, true}) {
    Http2TestClient client(start({.speaks_for_many = for_many}));
    constexpr int kStreams = 40;
    std::vector<std::uint32_t> streams;
    for (int i = 0; i < kStreams; ++i) {
      streams.push_back(client.send({.method = "POST",
                                     .path = fmt::format("/later{}", i),
                                     .fields =
                                         [] {
                                           Fields fields;
                                           fields.set("x-large", std::string(20'000, 'x'));
                                           return fields;
                                         }(),
                                     .body = std::string(50'000, 'b')}));
    }
    const auto echoed = client.send({.method = "POST", .path = "/echo", .body = std::string(50'000, 'e')});
    if (for_many) {
      EXPECT_EQ(client.answer(echoed).body.size(), 50'000U) << "2 MB that nobody reads are before it";
      for (int i = 0; i < kStreams; ++i) {
        ASSERT_TRUE(has_later(fmt::format("/later{}", i)));
        answer(fmt::format("/later{}", i));
        EXPECT_EQ(client.answer(streams[static_cast<std::size_t>(i)]).status, 200);
      }
    } else {
      EXPECT_EQ(client.answer(streams.back()).reset, static_cast<std::uint32_t>(Http2Error::RefusedStream));
    }
  }
}

TEST_F(Http2ServerTest, AFloodOfPingsIsTheEndOfTheConnectionAndOfItsCalls) {
  Http2TestClient client(start());
  client.get("/later");
  ASSERT_TRUE(has_later("/later"));
  std::string flood;
  for (int i = 0; i < 2'000; ++i) {
    flood += http2_frame(FrameType::Ping, 0, 0, "12345678");
  }
  client.send_raw(flood);
  EXPECT_EQ(client.goaway(), kCalm);
  EXPECT_TRUE(server->wait_until([this] { return abandoned == 1; }));
  client.close();
  EXPECT_TRUE(closed());
}

TEST_F(Http2ServerTest, PingsWithinReasonAreAnswered) {
  auto client = start();
  client.send(http2_start() + http2_frame(FrameType::Ping, 0, 0, "12345678"));
  const std::string pong = http2_frame(FrameType::Ping, kAckFlag, 0, "12345678");
  std::string came;
  while (came.find(pong) == std::string::npos) {
    const std::string bytes = client.take_bytes();
    ASSERT_FALSE(bytes.empty());
    came += bytes;
  }
}

// ---- time, and the end

TEST_F(Http2ServerTest, GivesUpOnAHeadThatComesTooSlowly) {
  Http2TestClient client(start({.head_timeout = 30ms}));
  const auto other = client.get("/later");
  ASSERT_TRUE(has_later("/later"));
  client.read_some();  // and acknowledge its settings
  client.send_raw(http2_request(other + 2, http2_head(), 0));
  EXPECT_EQ(client.goaway(), kCalm);
  client.close();
  EXPECT_TRUE(closed());
  EXPECT_EQ(abandoned, 1);
}

TEST_F(Http2ServerTest, ClosesConnectionsThatStayIdleWhateverTheySay) {
  Http2TestClient client(start({.keep_alive = 30ms}));
  EXPECT_EQ(client.answer(client.get("/1")).status, 200);
  client.read_until([&] {
    std::this_thread::sleep_for(1ms);  // as a flood they would end it earlier
    client.send_raw(http2_frame(FrameType::Ping, 0, 0, "12345678"));
    return client.last_served() == 0x7fff'ffffU;  // the end is announced
  });
  client.send_raw(http2_request(3, http2_head("GET", "/on-its-way")));
  EXPECT_TRUE(server->wait_until([&] { return begun == 2; }));
  client.close();
  EXPECT_TRUE(closed());
}

TEST_F(Http2ServerTest, AConnectionWithAStreamIsNotIdle) {
  Http2TestClient client(start({.keep_alive = 10ms}));
  const auto stream = client.get("/later");
  ASSERT_TRUE(has_later("/later"));
  std::this_thread::sleep_for(40ms);
  answer("/later");
  EXPECT_EQ(client.answer(stream).body, "/later");
}

TEST_F(Http2ServerTest, ADrainEndsWhatIsUnderWayAndServesWhatIsOnItsWay) {
  Http2TestClient client(start({.drain_idle = 200ms}));
  const auto stream = client.get("/later");
  ASSERT_TRUE(has_later("/later"));
  bool drained = false;
  server->on_loop([&] { server->server().drain([&] { drained = true; }); });
  EXPECT_EQ(client.answer(client.get("/on-its-way")).body, "GET /on-its-way");
  EXPECT_TRUE(client.read_until([&] { return client.last_served() == 3U; }));
  server->on_loop([&] { EXPECT_FALSE(drained); });
  answer("/later");
  EXPECT_EQ(client.answer(stream).body, "/later");
  EXPECT_EQ(client.goaway(), kNoError);
  client.close();
  EXPECT_TRUE(server->wait_until([&] { return drained; }));
}

TEST_F(Http2ServerTest, ADrainWaitsForAnswersAndTakesNothingNew) {
  Http2TestClient client(start({.drain_idle = 10ms}));
  const auto stream = client.get("/later");
  ASSERT_TRUE(has_later("/later"));
  server->on_loop([&] { server->server().drain([] {}); });
  EXPECT_TRUE(client.read_until([&] { return client.last_served() == stream; }));
  client.send_raw(http2_request(3, http2_head("GET", "/too-late")));
  client.send_raw(http2_frame(FrameType::Ping, 0, 0, "12345678"));
  client.read_some();  // the answer to that
  EXPECT_EQ(begun, 1);
  answer("/later");
  EXPECT_EQ(client.answer(stream).body, "/later");
  EXPECT_EQ(client.last_served(), 1U);
}

TEST_F(Http2ServerTest, WhatBeginsWhileTheServerDrainsIsDrainedToo) {
  start({.drain_idle = 20ms});
  Http2TestClient before(server->connect());
  EXPECT_EQ(before.answer(before.get("/1")).status, 200);
  bool drained = false;
  auto silent = server->connect();
  server->on_loop([&] { server->server().drain([&] { drained = true; }); });
  Http2TestClient late(std::move(silent));
  const auto answer = late.answer(late.get("/late"));
  EXPECT_EQ(answer.status, 200);
  for (Http2TestClient* client : {&before, &late}) {
    EXPECT_EQ(client->goaway(), kNoError);
    client->close();
  }
  EXPECT_TRUE(server->wait_until([&] { return drained; }));
}

}  // namespace
}  // namespace trilby::http
