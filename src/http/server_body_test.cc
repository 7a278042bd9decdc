// Bodies on their way in and out: streaming, back-pressure, and what happens when one side stops.
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "http/server.h"
#include "http/test_bodies.h"
#include "http/test_server.h"
#include "net/stream.h"

namespace trilby::http {
namespace {

using namespace std::chrono_literals;

class ServerBodyTest : public testing::Test {
 protected:
  TestServer& start(Handler handler, ServerLimits limits = {}) { return server.emplace(std::move(handler), limits); }
  /// A server that answers with a scripted body.
  TestClient scripted(const ScriptedBody::Script& script) {
    start([this, script](const std::shared_ptr<Exchange>& exchange) {
      Response response;
      response.body = std::make_unique<ScriptedBody>(server->loop(), script);
      exchange->respond(std::move(response));
    });
    return server->connect();
  }
  /// A server that keeps the exchange and what it hears of it.
  TestClient keeping(ServerLimits limits = {}) {
    start(
        [this](const std::shared_ptr<Exchange>& exchange) {
          exchange->on_abandoned([this] { abandoned = true; });
          kept = exchange;
        },
        limits);
    return server->connect();
  }
  bool has_kept() {
    return server->wait_until([this] { return kept != nullptr; });
  }
  ~ServerBodyTest() override {
    if (server) {
      server->on_loop([this] {
        body.reset();
        kept.reset();
      });
    }
  }

  std::shared_ptr<Exchange> kept;
  std::unique_ptr<BodySource> body;
  bool abandoned = false;
  std::optional<TestServer> server;
};

constexpr std::string_view kPost = "POST / HTTP/1.1\r\nHost: h\r\n";

// ---- in

TEST_F(ServerBodyTest, EchoesABodyOfKnownLengthAndKeepsTheConnection) {
  auto client = start(echo).connect();
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{5000}, std::size_t{1} << 20U}) {
    client.send(fmt::format("{}Content-Length: {}\r\n\r\n", kPost, size) + std::string(size, 'b'));
    const Answer answer = client.answer();
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body.size(), size);
  }
}

TEST_F(ServerBodyTest, EchoesAChunkedBody) {
  auto client = start(echo).connect();
  client.send(fmt::format("{}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", kPost));
  client.send("4\r\ndefg\r\n0\r\n\r\n");
  EXPECT_EQ(client.answer().body, "abcdefg");
  client.send(fmt::format("{}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", kPost));
  EXPECT_EQ(client.answer().body, "");
}

TEST_F(ServerBodyTest, TellsTheLengthBeforehand) {
  std::vector<std::optional<std::uint64_t>> lengths;
  auto client = start([&](const std::shared_ptr<Exchange>& exchange) {
                  lengths.push_back(exchange->take_body()->length());
                  exchange->respond(text_response("ok"));
                }).connect();
  client.send(fmt::format("{}Content-Length: 2\r\n\r\nab", kPost));
  EXPECT_EQ(client.answer().status, 200);
  client.send(fmt::format("{}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", kPost));
  EXPECT_EQ(client.answer().status, 200);
  client.get("/");
  EXPECT_EQ(lengths, (std::vector<std::optional<std::uint64_t>>{2, std::nullopt, 0}));
}

TEST_F(ServerBodyTest, HandsOverABodyThatIsThereAlready) {
  std::vector<std::optional<std::string>> bodies;
  auto client = start([&](const std::shared_ptr<Exchange>& exchange) {
                  auto source = exchange->take_body();
                  bodies.push_back(source->take_ready());
                  if (!bodies.back()) {
                    return answer_with(exchange, std::move(source));
                  }
                  exchange->respond(text_response("ok"));
                }).connect();
  EXPECT_EQ(client.get("/").field("connection"), std::nullopt);
  client.send(fmt::format("{}Content-Length: 3\r\n\r\nabc", kPost));
  EXPECT_EQ(client.answer().field("connection"), std::nullopt);
  client.send(fmt::format("{}Content-Length: 3\r\n\r\na", kPost));
  ASSERT_TRUE(server->wait_until([&] { return bodies.size() == 3; }));
  client.send("bc");
  EXPECT_EQ(client.answer().body, "abc");
  EXPECT_EQ(bodies, (std::vector<std::optional<std::string>>{"", "abc", std::nullopt}));
}

TEST_F(ServerBodyTest, InvitesTheBodyWhenItIsFirstWanted) {
  auto client = start(echo).connect();
  client.send(fmt::format("{}Expect: 100-continue\r\nContent-Length: 3\r\n\r\n", kPost));
  EXPECT_EQ(client.answer(true).status, 100);
  client.send("abc");
  EXPECT_EQ(client.answer().body, "abc");
  client.send(fmt::format("{}Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", kPost));  // did not wait
  EXPECT_EQ(client.answer().body, "abc");
}

TEST_F(ServerBodyTest, DoesNotInviteABodyThatNobodyWants) {
  auto client = start([](const auto& exchange) { exchange->respond(text_response("no")); }).connect();
  client.send(fmt::format("{}Expect: 100-continue\r\nContent-Length: 3\r\n\r\n", kPost));
  const Answer answer = client.answer();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.field("connection"), "close");
  EXPECT_TRUE(client.at_end());
}

TEST_F(ServerBodyTest, KeepsTheConnectionWhenAnUnwantedBodyHasComeAlready) {
  auto client = start([](const auto& exchange) { exchange->respond(text_response("no")); }).connect();
  client.send(fmt::format("{}Content-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: h\r\n\r\n", kPost));
  EXPECT_EQ(client.answer().field("connection"), std::nullopt);
  EXPECT_EQ(client.answer().status, 200);
}

TEST_F(ServerBodyTest, ASmallBodyThatNobodyWantsDoesNotCostTheConnection) {
  auto client = start([](const std::shared_ptr<Exchange>& exchange) {
                  const auto unread = exchange->take_body();  // and drops it when all is said
                  exchange->respond(text_response(exchange->head().target));
                }).connect();
  for (int i = 0; i < 3; ++i) {
    client.send(fmt::format("POST /{} HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\nabc", i));
    const Answer answer = client.answer();
    EXPECT_EQ(answer.body, fmt::format("/{}", i));
    EXPECT_EQ(answer.field("connection"), std::nullopt);
    client.send(std::string(59'997, 'x'));
  }
  EXPECT_EQ(client.get("/next").body, "/next");
}

TEST_F(ServerBodyTest, ASmallBodyThatNeverComesEndsTheConnection) {
  auto client =
      start([](const auto& exchange) { exchange->respond(text_response("no")); }, {.body_idle = 20ms}).connect();
  client.send(fmt::format("{}Content-Length: 100\r\n\r\nabc", kPost));
  EXPECT_EQ(client.answer().status, 200);
  EXPECT_TRUE(client.at_end());
}

TEST_F(ServerBodyTest, AnUnwantedBodyWhoseSenderLeavesIsTheEnd) {
  auto client = start([](const auto& exchange) { exchange->respond(text_response("no")); }).connect();
  client.send(fmt::format("{}Content-Length: 100\r\n\r\nabc", kPost));
  EXPECT_EQ(client.answer().status, 200);
  client.close();
  EXPECT_TRUE(server->wait_until([&] { return server->server().connections() == 0; }));
}

TEST_F(ServerBodyTest, WhoReadsABodyAfterItsAnswerIsToldThatItIsOver) {
  auto client = keeping();
  client.send(fmt::format("{}Content-Length: 10\r\n\r\n", kPost));
  ASSERT_TRUE(has_kept());
  std::optional<Reason> heard;
  server->on_loop([&] {
    body = kept->take_body();
    body->read([&](const Result<BodySource::Chunk>& chunk) { heard = chunk ? Reason::Ok : chunk.error().reason; });
    kept->respond(text_response("done"));
  });
  EXPECT_EQ(client.answer().body, "done");
  EXPECT_TRUE(server->wait_until([&] { return heard.has_value(); }));
  EXPECT_EQ(heard, Reason::Cancelled);
  client.send("abcdefghij");
  server->on_loop([&] {
    body.reset();
    kept.reset();
  });
  client.send("GET /next HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(has_kept());
  server->on_loop([&] { kept->respond(text_response("next")); });
  EXPECT_EQ(client.answer().body, "next");
}

TEST_F(ServerBodyTest, AClientThatIsStillSendingSeesTheEarlyAnswer) {
  auto client = start([](const std::shared_ptr<Exchange>& exchange) {
                  Response response = text_response("too large");
                  response.status = 413;
                  exchange->respond(std::move(response));
                }).connect();
  client.send(fmt::format("{}Content-Length: 20000000\r\n\r\n", kPost));
  // NOLINTNEXTLINE(bugprone-string-constructor): it is meant to be large
  client.send(std::string(20'000'000, 'x'));
  const Answer answer = client.answer();
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.body, "too large");
  EXPECT_EQ(answer.field("connection"), "close");
  EXPECT_TRUE(client.at_end());
}

TEST_F(ServerBodyTest, HearsOutAPeerOnlyForAWhile) {
  auto client = start([](const auto& exchange) { exchange->respond(text_response("no")); }, {.linger = 30ms}).connect();
  client.send(fmt::format("{}Content-Length: 20000000\r\n\r\n", kPost));
  EXPECT_EQ(client.answer().status, 200);
  EXPECT_TRUE(server->wait_until([&] { return server->server().connections() == 0; }));
}

TEST_F(ServerBodyTest, ReadsNoFurtherThanAsked) {
  auto client = keeping();
  constexpr std::size_t kSize = std::size_t{64} << 20U;
  client.send(fmt::format("{}Content-Length: {}\r\n\r\n", kPost, kSize));
  ASSERT_TRUE(has_kept());
  const std::string large(kSize, 'x');
  const std::size_t sent = client.send_what_fits(large);
  EXPECT_LT(sent, kSize);
  std::size_t got = 0;
  server->on_loop([&] {
    body = kept->take_body();
    body->read([&](Result<BodySource::Chunk> chunk) { got = chunk->bytes.size(); });
  });
  EXPECT_GT(got, 0U);
  EXPECT_LE(got, 64U * 1024);
}

TEST_F(ServerBodyTest, SaysWhenABodyStalls) {
  auto client = start(echo, {.body_idle = 20ms}).connect();
  client.send(fmt::format("{}Content-Length: 10\r\n\r\nabc", kPost));
  const Answer answer = client.answer();
  EXPECT_EQ(answer.status, 408);
  EXPECT_EQ(answer.body, "request-timeout");
  EXPECT_TRUE(client.at_end());
}

TEST_F(ServerBodyTest, AByteNowAndThenDoesNotProlongABody) {
  start(echo, {.body_idle = 40ms});
  // As much framing as a chunk may have is no body either.
  for (const std::string_view drip :
       {"Content-Length: 10000\r\n\r\nabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
        "Transfer-Encoding: chunked\r\n\r\n1;extension=abcdefghijklmnopqrstuvwxyzabcdefg"}) {
    auto client = server->connect();
    const std::size_t head = drip.find("\r\n\r\n") + 4;
    client.send(fmt::format("{}{}", kPost, drip.substr(0, head)));
    for (const char byte : drip.substr(head)) {
      std::size_t open = 0;
      server->on_loop([&] { open = server->server().connections(); });
      if (open == 0 || client.send_what_fits({&byte, 1}) == 0) {
        break;
      }
      std::this_thread::sleep_for(2ms);
    }
    const Answer answer = client.answer();
    EXPECT_EQ(answer.status, 408);
    EXPECT_EQ(answer.body, "request-timeout");
  }
}

TEST_F(ServerBodyTest, TheTimeThatNobodyReadsABodyIsNotTheSenders) {
  auto client = keeping({.body_idle = 20ms});
  client.send(fmt::format("{}Content-Length: 6\r\n\r\nabc", kPost));
  ASSERT_TRUE(has_kept());
  std::this_thread::sleep_for(40ms);
  std::optional<std::string> got;
  server->on_loop([&] {
    body = kept->take_body();
    body->read([&](Result<BodySource::Chunk> chunk) { got = chunk ? chunk->bytes : "failed"; });
  });
  EXPECT_EQ(got, "abc");
}

TEST_F(ServerBodyTest, SaysWhenABodyIsMalformed) {
  auto client = start(echo).connect();
  client.send(fmt::format("{}Transfer-Encoding: chunked\r\n\r\n3\r\nabcXX", kPost));
  const Answer answer = client.answer();
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.body, "bad-request");
  EXPECT_TRUE(client.at_end());
}

TEST_F(ServerBodyTest, SaysWhenTheSenderGoesAway) {
  auto client = keeping();
  client.send(fmt::format("{}Content-Length: 10\r\n\r\nabc", kPost));
  ASSERT_TRUE(has_kept());
  std::vector<std::string> heard;
  std::function<void(Result<BodySource::Chunk>)> listen = [&](Result<BodySource::Chunk> chunk) {
    heard.push_back(chunk ? chunk->bytes : std::string(name(chunk.error().reason)));
    if (chunk) {
      body->read(listen);
    }
  };
  server->on_loop([&] {
    body = kept->take_body();
    body->read(listen);
  });
  client.close();
  EXPECT_TRUE(server->wait_until([&] { return heard.size() == 2; }));
  EXPECT_EQ(heard, (std::vector<std::string>{"abc", "cancelled"}));
  EXPECT_TRUE(abandoned);
}

TEST_F(ServerBodyTest, NothingIsHeardAfterABodyWasDropped) {
  auto client = keeping();
  client.send(fmt::format("{}Content-Length: 10\r\n\r\n", kPost));
  ASSERT_TRUE(has_kept());
  server->on_loop([&] {
    body = kept->take_body();
    body->read([](const auto&) { FAIL(); });
    body.reset();
  });
  client.send("abcdefghij");
  server->on_loop([&] { kept->respond(text_response("done")); });
  EXPECT_EQ(client.answer().body, "done");
}

// ---- out

TEST_F(ServerBodyTest, SendsABodyOfUnknownLengthInChunks) {
  auto client = scripted({.pieces = {"one ", "", "two ", "three"}});
  const Answer answer = client.get("/");
  EXPECT_EQ(answer.field("transfer-encoding"), "chunked");
  EXPECT_TRUE(answer.whole);
  EXPECT_EQ(answer.body, "one two three");
  EXPECT_EQ(client.get("/").body, "one two three");
}

TEST_F(ServerBodyTest, SharesTheLoopWithOthersWhileALargeBodyGoesOut) {
  std::size_t first_turn = 0;
  start([&](const std::shared_ptr<Exchange>& exchange) {
    Response response;
    response.body = std::make_unique<PiecesOfOneTurn>(server->loop(), first_turn);
    exchange->respond(std::move(response));
  });
  auto client = server->connect();
  EXPECT_EQ(client.get("/").body.size(), PiecesOfOneTurn::kSize);
  EXPECT_GT(first_turn, 0U);
  EXPECT_LE(first_turn, 2 * net::Stream::kMostAtOnce);
}

TEST_F(ServerBodyTest, SendsABodyOfKnownLengthPieceByPiece) {
  auto client = scripted({.pieces = {"one ", "two"}, .length = 7});
  const Answer answer = client.get("/");
  EXPECT_EQ(answer.field("content-length"), "7");
  EXPECT_TRUE(answer.whole);
  EXPECT_EQ(client.get("/").body, "one two");
}

TEST_F(ServerBodyTest, EndsABodyOfUnknownLengthWithTheConnectionInHttp10) {
  auto client = scripted({.pieces = {"one ", "two"}});
  client.send("GET / HTTP/1.0\r\n\r\n");
  const Answer answer = client.answer();
  EXPECT_EQ(answer.body, "one two");
  EXPECT_TRUE(answer.whole);
}

TEST_F(ServerBodyTest, ABrokenBodyIsNotTakenForAWholeOne) {
  for (const auto& script : {ScriptedBody::Script{.pieces = {"one"}, .fails = true},
                             ScriptedBody::Script{.pieces = {"one"}, .length = 7, .fails = true},
                             ScriptedBody::Script{.pieces = {"one"}, .length = 7},
                             ScriptedBody::Script{.pieces = {"one", "two"}, .length = 4}}) {
    auto client = scripted(script);
    const Answer answer = client.get("/");
    EXPECT_FALSE(answer.whole);
    EXPECT_TRUE(client.at_end());
  }
}

TEST_F(ServerBodyTest, ABrokenBodyResetsAnHttp10Connection) {
  auto client = scripted({.pieces = {"one"}, .fails = true});
  client.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_FALSE(client.answer().whole);
}

TEST_F(ServerBodyTest, SendsNoBodyWhereThereMayBeNone) {
  auto client = start([](const std::shared_ptr<Exchange>& exchange) {
                  Response response = text_response("body");
                  response.status = exchange->head().target == "/204" ? 204 : 304;
                  exchange->respond(std::move(response));
                }).connect();
  client.send(
      "GET /204 HTTP/1.1\r\nHost: h\r\n\r\nGET /304 HTTP/1.1\r\nHost: h\r\n\r\nHEAD /304 HTTP/1.1\r\nHost: h\r\n\r\n");
  const Answer no_content = client.answer(true);
  EXPECT_EQ(no_content.status, 204);
  EXPECT_EQ(no_content.field("content-length"), std::nullopt);
  EXPECT_EQ(client.answer(true).status, 304);
  EXPECT_EQ(client.answer(true).status, 304);
}

TEST_F(ServerBodyTest, SendsALargeBodyToASlowReader) {
  auto client =
      start([](const auto& exchange) { exchange->respond(text_response(std::string(8'000'000, 'x'))); }).connect();
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  std::this_thread::sleep_for(20ms);
  const Answer answer = client.answer();
  EXPECT_TRUE(answer.whole);
  EXPECT_EQ(answer.body.size(), 8'000'000U);
  EXPECT_EQ(client.get("/").body.size(), 8'000'000U);
}

TEST_F(ServerBodyTest, GivesUpOnAReaderThatTakesNothing) {
  auto client = keeping({.body_idle = 30ms});
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(has_kept());
  server->on_loop([&] {
    Response response;
    response.body = std::make_unique<EndlessBody>();
    kept->respond(std::move(response));
  });
  EXPECT_TRUE(server->wait_until([&] { return abandoned; }));
  EXPECT_EQ(server->server().connections(), 0U);
}

TEST_F(ServerBodyTest, GivesUpOnAReaderThatTakesAByteNowAndThen) {
  auto client = keeping({.body_idle = 50ms, .body_rate = 1_GiB});
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(has_kept());
  server->on_loop([&] {
    Response response;
    response.body = std::make_unique<EndlessBody>();
    kept->respond(std::move(response));
  });
  // Whatever it takes makes some room in the socket, but less than the pace asks for.
  EXPECT_TRUE(server->wait_until([&] {
    client.read_some(512);
    return abandoned;
  }));
  EXPECT_EQ(server->server().connections(), 0U);
}

TEST_F(ServerBodyTest, AnInterimAnswerNeverComesAfterTheAnswerHasBegun) {
  auto client = start([](const std::shared_ptr<Exchange>& exchange) {
                  Response response;
                  response.body = exchange->take_body();
                  exchange->respond(std::move(response));
                }).connect();
  client.send(fmt::format("{}Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n", kPost));
  client.send("3\r\nabc\r\n0\r\n\r\n");
  const Answer answer = client.answer();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "abc");
  EXPECT_TRUE(answer.whole);
}

TEST_F(ServerBodyTest, NoticesAReaderThatLeavesInTheMiddle) {
  auto client = keeping();
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(has_kept());
  server->on_loop([&] {
    Response response;
    response.body = std::make_unique<EndlessBody>();
    kept->respond(std::move(response));
  });
  client.close();
  EXPECT_TRUE(server->wait_until([&] { return abandoned; }));
}

TEST_F(ServerBodyTest, CanAnswerWithTheBodyItIsReading) {
  auto client = start([](const std::shared_ptr<Exchange>& exchange) {
                  Response response;
                  response.body = exchange->take_body();
                  exchange->respond(std::move(response));
                }).connect();
  client.send(fmt::format("{}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", kPost));
  client.send("3\r\ndef\r\n0\r\n\r\n");
  const Answer answer = client.answer();
  EXPECT_EQ(answer.body, "abcdef");
  EXPECT_TRUE(answer.whole);
}

TEST_F(ServerBodyTest, LeavesOutFieldsThatWouldSplitTheAnswer) {
  auto client =
      start([](const std::shared_ptr<Exchange>& exchange) {
        using namespace std::string_literals;
        Response response = text_response("ok");
        for (const auto& [field, value] :
             {Field{"a", "b\r\nset-cookie: c"}, Field{"d\r\ne", "f"}, Field{"g", "h\ni"}, Field{"j", "k\0l"s},
              Field{"", "m"}, Field{"n:", "o"}, Field{"p q", "r"}, Field{"content-length", "99"},
              Field{"Transfer-Encoding", "chunked"}, Field{"Connection", "upgrade"}, Field{"date", "never"}}) {
          response.fields.add(field, value);
        }
        response.fields.add("x-fine", "caf\xc3\xa9\t!");
        exchange->respond(std::move(response));
      }).connect();
  const Answer answer = client.get("/");
  EXPECT_EQ(answer.body, "ok");
  const std::string date = answer.field("date").value_or("");
  EXPECT_EQ(answer.head, fmt::format("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nx-fine: caf\xc3\xa9\t!\r\n"
                                     "date: {}\r\ncontent-length: 2\r\n",
                                     date));
}

}  // namespace
}  // namespace trilby::http
