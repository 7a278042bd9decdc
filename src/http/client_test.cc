#include "http/client.h"

#include <chrono>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include "http/test_bodies.h"
#include "http/test_server.h"
#include "net/socket.h"
#include "net/test_loop.h"

namespace trilby::http {
namespace {

using namespace std::chrono_literals;

/// A request on its way, and what became of it. Its members belong to the loop until it has ended.
struct Sent {
  std::shared_ptr<void> handle;
  std::shared_ptr<void> reading;
  std::optional<Response> response;
  std::string outcome;  // "200 body", "200, then reason: message", or "reason: message"
  std::promise<void> responded;
  std::promise<void> ended;

  void end(std::string how) {
    outcome = std::move(how);
    ended.set_value();
  }
};

/// A client on a loop of its own thread, and a listening socket; the test is the server, and reads and writes what it
/// likes on the connections that come.
class ClientTest : public testing::Test {
 protected:
  ClientTest() : listening(net::listen_tcp("127.0.0.1", 0).value()), port(net::local_port(listening.get())) {
    thread = std::thread([this] { loop.run(); });
  }
  ~ClientTest() override {
    on_loop([this] {
      client.reset();
      all.clear();
    });
    loop.stop();
    thread.join();
  }

  void start(ClientLimits limits = {}) { client.emplace(loop, limits); }

  void on_loop(const std::function<void()>& work) { net::run_on(loop, work); }

  [[nodiscard]] Request request(std::string method = "GET") const {
    return {.to = net::Address::parse("127.0.0.1", port).value(), .method = std::move(method)};
  }
  [[nodiscard]] Request post(std::string body) const {
    Request made = request("POST");
    made.body = make_body(std::move(body));
    return made;
  }

  /// Sends, and reads the whole response when `reads`.
  std::shared_ptr<Sent> send(Request what, Duration within = {}, bool reads = true) {
    if (!client) {
      start();
    }
    auto sent = std::make_shared<Sent>();
    on_loop([&] {
      all.push_back(sent);
      const auto deadline = within == Duration{} ? Clock::time_point::max() : Clock::now() + within;
      sent->handle = client->send(std::move(what), deadline, [sent = sent.get(), reads](auto response) {
        on_response(*sent, std::move(response), reads);
      });
      EXPECT_TRUE(sent->outcome.empty()) << "told before send() returned";
    });
    return sent;
  }
  std::shared_ptr<Sent> get() { return send(request()); }

  static void on_response(Sent& sent, Result<Response> response, bool reads) {
    if (!response) {
      sent.responded.set_value();
      return sent.end(fmt::format("{}: {}", name(response.error().reason), response.error().message));
    }
    sent.response = std::move(*response);
    sent.responded.set_value();
    if (reads) {
      read(sent);
    }
  }
  static void read(Sent& sent) {
    sent.reading = read_all(std::move(sent.response->body), Bytes{64 << 20}, [&sent](Result<std::string> body) {
      const int status = sent.response->status;
      sent.end(body ? fmt::format("{} {}", status, *body)
                    : fmt::format("{}, then {}: {}", status, name(body.error().reason), body.error().message));
    });
  }

  /// Waits for the end. The address in messages is left out.
  [[nodiscard]] std::string outcome(const std::shared_ptr<Sent>& sent) const {
    if (sent->ended.get_future().wait_for(10s) != std::future_status::ready) {
      return "nothing came";
    }
    std::string text = sent->outcome;
    const std::string peer = fmt::format("127.0.0.1:{}: ", port);
    if (const std::size_t at = text.find(peer); at != std::string::npos) {
      text.erase(at, peer.size());
    }
    return text;
  }

  TestPeer accept() const {
    pollfd polled{.fd = listening.get(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(poll(&polled, 1, 10'000), 1) << "nobody connects";
    return TestPeer(net::Socket(accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC)));
  }
  /// Takes a connection and the request on it.
  TestPeer accept_request() const {
    TestPeer peer = accept();
    EXPECT_TRUE(peer.request().whole);
    return peer;
  }

  bool wait_until(const std::function<bool(const Client::Usage&)>& condition) {
    const auto until = Clock::now() + 10s;
    bool holds = false;
    while (!holds && Clock::now() < until) {
      on_loop([&] { holds = condition(client->usage()); });
      std::this_thread::yield();
    }
    return holds;
  }
  bool is_idle() {
    return wait_until([](const auto& usage) { return usage.idle == 1 && usage.open == 1; });
  }
  bool is_empty() {
    return wait_until([](const auto& usage) { return usage.open == 0; });
  }

  net::Loop loop;
  net::Socket listening;
  std::uint16_t port;
  std::optional<Client> client;
  std::vector<std::shared_ptr<Sent>> all;
  std::thread thread;
};

constexpr std::string_view kHello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

// ---- what goes out, and what comes back

TEST_F(ClientTest, SendsARequestAndReadsTheResponse) {
  Request made = request();
  made.target = "/v1.0/state?a=b";
  made.fields = {{"dapr-api-token", "secret"}, {"Accept", "*/*"}};
  const auto sent = send(std::move(made));
  auto peer = accept();
  EXPECT_EQ(peer.read_head(), fmt::format("GET /v1.0/state?a=b HTTP/1.1\r\nhost: 127.0.0.1:{}\r\n"
                                          "dapr-api-token: secret\r\nAccept: */*\r\n",
                                          port));
  peer.send("HTTP/1.1 201 Created\r\nContent-Length: 5\r\nX-A: b\r\nConnection: x-b\r\nX-B: c\r\n\r\nhello");
  EXPECT_EQ(outcome(sent), "201 hello");
  EXPECT_EQ(*sent->response->fields.find("x-a"), "b");
  EXPECT_EQ(sent->response->fields.size(), 1U);
}

TEST_F(ClientTest, LeavesOutFieldsThatAreItsOwnBusiness) {
  Request made = post("ab");
  made.host = "example.org";
  made.fields = {{"Host", "other"},
                 {"Content-Length", "7"},
                 {"Transfer-Encoding", "chunked"},
                 {"Connection", "a"},
                 {"Expect", "100-continue"},
                 {"TE", "trailers"},
                 {"Upgrade", "h2c"},
                 {"X-Kept", "1"}};
  const auto sent = send(std::move(made));
  auto peer = accept();
  EXPECT_EQ(peer.read_head(), "POST / HTTP/1.1\r\nhost: example.org\r\nX-Kept: 1\r\ncontent-length: 2\r\n");
  peer.send(kHello);
  EXPECT_EQ(outcome(sent), "200 hello");
}

TEST_F(ClientTest, AnnouncesAnEmptyBodyWhereOneIsUsual) {
  const auto posted = send(request("POST"));
  auto peer = accept();
  const Answer got = peer.request();
  EXPECT_EQ(got.field("content-length"), "0");
  peer.send(kHello);
  EXPECT_EQ(outcome(posted), "200 hello");
  const auto deleted = send(request("DELETE"));
  EXPECT_EQ(peer.read_head().find("content-length"), std::string::npos);
  peer.send(kHello);
  EXPECT_EQ(outcome(deleted), "200 hello");
}

TEST_F(ClientTest, RefusesToSendWhatCouldBeReadAsSomethingElse) {
  using namespace std::string_literals;
  const auto refused = [this](const std::function<void(Request&)>& spoil) {
    Request made = request();
    spoil(made);
    const std::string text = outcome(send(std::move(made)));
    EXPECT_EQ(text.find("secret"), std::string::npos) << text;
    return text.substr(0, text.find(':'));
  };
  for (const std::string& method : {""s, "GET "s, "GE\rT"s, "GET\r\nA: b"s, "CONNECT"s, "G\0T"s}) {
    EXPECT_EQ(refused([&](Request& made) { made.method = method; }), "bad-request") << method;
  }
  for (const std::string& target :
       {""s, "a"s, "/a secret"s, "/a\r\nsecret: b"s, "/a\n"s, "/\0"s, "/a#b"s, "*"s, "http://a/"s, "/\xc3\xa9"s}) {
    EXPECT_EQ(refused([&](Request& made) { made.target = target; }), "bad-request") << target;
  }
  for (const std::string& host : {"a b"s, "a\r\nB: c"s, "a/b"s, "u@a"s}) {
    EXPECT_EQ(refused([&](Request& made) { made.host = host; }), "bad-request") << host;
  }
  for (const std::string& field : {""s, "A b"s, "A:"s, "A\r\nB"s, "\0"s}) {
    EXPECT_EQ(refused([&](Request& made) { made.fields.add(field, "secret"); }), "bad-request") << field;
  }
  for (const std::string& value : {"secret\r\nB: c"s, "secret\n"s, "secret\r"s, "secret\0"s, "\x01"s, "\x7f"s}) {
    EXPECT_EQ(refused([&](Request& made) { made.fields.add("A", value); }), "bad-request") << value;
  }
  EXPECT_EQ(refused([](Request& made) { made.fields.add("A", std::string(40'000, 'x')); }), "head-too-large");
  EXPECT_EQ(refused([](Request& made) {
              for (int i = 0; i < 100; ++i) {
                made.fields.add("A", "b");
              }
            }),
            "head-too-large");
}

TEST_F(ClientTest, ReadsEveryKindOfBody) {
  for (const std::string_view response :
       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nhello", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"}) {
    const auto sent = get();
    auto peer = accept_request();
    peer.send(response);
    peer.shutdown_send();
    EXPECT_EQ(outcome(sent), "200 hello") << response;
    ASSERT_TRUE(is_empty());
  }
}

TEST_F(ClientTest, AResponseWithoutBodyEndsWithItsHead) {
  const auto head = send(request("HEAD"));
  auto peer = accept_request();
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(outcome(head), "200 ");
  EXPECT_EQ(*head->response->fields.find("content-length"), "5");
  for (const std::string_view line : {"204 No Content", "304 Not Modified"}) {
    const auto sent = get();
    EXPECT_TRUE(peer.request().whole);
    peer.send(fmt::format("HTTP/1.1 {}\r\n\r\n", line));
    EXPECT_EQ(outcome(sent), fmt::format("{} ", line.substr(0, 3)));
  }
}

TEST_F(ClientTest, SkipsInterimResponses) {
  const auto sent = get();
  auto peer = accept_request();
  peer.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n");
  peer.send(kHello);
  EXPECT_EQ(outcome(sent), "200 hello");
}

TEST_F(ClientTest, MovesAMillionBytesBothWays) {
  const std::string large(1'000'000, 'x');
  for (const bool is_known : {true, false}) {
    Request made = request("PUT");
    std::deque<std::string> pieces(10, large.substr(0, 100'000));
    made.body =
        is_known ? make_body(large) : std::make_unique<ScriptedBody>(loop, ScriptedBody::Script{.pieces = pieces});
    const auto sent = send(std::move(made));
    auto peer = accept();
    const Answer got = peer.request();
    EXPECT_EQ(got.field("transfer-encoding").has_value(), !is_known);
    EXPECT_EQ(got.body.size(), large.size());
    peer.send(fmt::format("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", large.size()));
    peer.send(large);
    EXPECT_EQ(outcome(sent).size(), large.size() + 4);
  }
}

TEST_F(ClientTest, ReadsNoFurtherThanItIsAsked) {
  const auto sent = send(request(), {}, false);
  auto peer = accept_request();
  constexpr std::size_t kSize = std::size_t{64} << 20U;
  peer.send(fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", kSize));
  sent->responded.get_future().wait();
  EXPECT_LT(peer.send_what_fits(std::string(kSize, 'x')), kSize);
  std::size_t got = 0;
  on_loop([&] { sent->response->body->read([&](Result<BodySource::Chunk> chunk) { got = chunk->bytes.size(); }); });
  EXPECT_GT(got, 0U);
  EXPECT_LE(got, 64U * 1024);
}

TEST_F(ClientTest, SendsNoFasterThanItIsTaken) {
  Request made = request("POST");
  std::size_t pulled = 0;
  made.body = std::make_unique<CountingBody>(pulled);
  const auto sent = send(std::move(made));
  auto peer = accept();
  EXPECT_FALSE(peer.read_head().empty());
  // All that the kernel holds was pulled, and a piece more: as soon as the socket is full it pulls no further.
  std::size_t before = 1;
  std::size_t now = 0;
  ASSERT_TRUE(wait_until(
      [&](const auto&) { return std::exchange(before, std::exchange(now, pulled)) == pulled && pulled > 0; }));
  on_loop([&] { EXPECT_LT(pulled, std::size_t{64} << 20U); });
  peer.close();
  EXPECT_TRUE(outcome(sent).starts_with("upstream-failed: ")) << sent->outcome;
}

// ---- connections are kept, and not

TEST_F(ClientTest, UsesAConnectionAgain) {
  auto first = get();
  auto peer = accept_request();
  peer.send(kHello);
  EXPECT_EQ(outcome(first), "200 hello");
  ASSERT_TRUE(is_idle());
  const auto second = get();
  EXPECT_TRUE(peer.request().whole);
  peer.send(kHello);
  EXPECT_EQ(outcome(second), "200 hello");
}

TEST_F(ClientTest, UsesTheConnectionThatWasUsedLastFirst) {
  const auto one = get();
  auto first = accept_request();
  const auto two = get();
  auto second = accept_request();
  second.send(kHello);
  EXPECT_EQ(outcome(two), "200 hello");
  first.send(kHello);
  EXPECT_EQ(outcome(one), "200 hello");
  ASSERT_TRUE(wait_until([](const auto& usage) { return usage.idle == 2; }));
  const auto three = get();
  EXPECT_TRUE(first.request().whole);
  first.send(kHello);
  EXPECT_EQ(outcome(three), "200 hello");
}

TEST_F(ClientTest, DoesNotUseAConnectionThatEndsWithItsResponse) {
  for (const std::string_view response :
       {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"}) {
    const auto sent = get();
    auto peer = accept_request();
    peer.send(response);
    EXPECT_EQ(outcome(sent), "200 hello") << response;
    EXPECT_TRUE(is_empty());
    EXPECT_TRUE(peer.at_end());
  }
}

TEST_F(ClientTest, ClosesAnIdleConnectionThatSpeaksOrEnds) {
  for (const bool speaks : {true, false}) {
    const auto sent = get();
    auto peer = accept_request();
    peer.send(kHello);
    EXPECT_EQ(outcome(sent), "200 hello");
    ASSERT_TRUE(is_idle());
    if (speaks) {
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    } else {
      peer.close();
    }
    EXPECT_TRUE(is_empty());
  }
}

TEST_F(ClientTest, DoesNotTakeAnIdleConnectionWhoseEndItHasNotYetHeardOf) {
  auto first = get();
  auto peer = accept_request();
  peer.send(kHello);
  EXPECT_EQ(outcome(first), "200 hello");
  ASSERT_TRUE(is_idle());
  auto second = std::make_shared<Sent>();
  on_loop([&] {
    peer.close();  // within a turn of the loop, so that it cannot have heard
    all.push_back(second);
    second->handle = client->send(post("x"), Clock::time_point::max(), [sent = second.get()](auto response) {
      on_response(*sent, std::move(response), true);
    });
  });
  auto fresh = accept_request();
  fresh.send(kHello);
  EXPECT_EQ(outcome(second), "200 hello");
}

TEST_F(ClientTest, ClosesAConnectionThatIsIdleForLong) {
  start({.keep_alive = 5ms});
  const auto sent = get();
  auto peer = accept_request();
  peer.send(kHello);
  EXPECT_EQ(outcome(sent), "200 hello");
  EXPECT_TRUE(peer.at_end());
  EXPECT_TRUE(is_empty());
}

TEST_F(ClientTest, SendsOnceMoreWhatAStaleConnectionDidNotAnswer) {
  for (const bool resets : {false, true}) {
    const auto first = get();
    auto peer = accept_request();
    peer.send(kHello);
    EXPECT_EQ(outcome(first), "200 hello");
    Request made = request();
    made.fields = {{"A", "b"}};
    const auto second = send(std::move(made));
    EXPECT_TRUE(peer.request().whole);
    if (resets) {
      peer.reset();
    } else {
      peer.close();
    }
    auto fresh = accept();
    EXPECT_EQ(fresh.request().field("a"), "b");
    fresh.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nagain");
    EXPECT_EQ(outcome(second), "200 again");
    ASSERT_TRUE(is_empty());
  }
}

TEST_F(ClientTest, SendsNothingAThirdTime) {
  const auto first = get();
  auto peer = accept_request();
  peer.send(kHello);
  EXPECT_EQ(outcome(first), "200 hello");
  const auto second = get();
  EXPECT_TRUE(peer.request().whole);
  peer.close();
  accept_request().close();
  EXPECT_EQ(outcome(second), "upstream-failed: the connection ended before a response came");
}

TEST_F(ClientTest, NeverRepeatsWhatMayHaveHappened) {
  const auto put_body = [this] {
    Request made = post("abc");
    made.method = "PUT";
    return made;
  };
  const std::vector<std::function<Request()>> cases{[this] { return request("POST"); }, [this] { return post("abc"); },
                                                    put_body};
  for (const auto& make : cases) {
    const auto first = get();
    auto peer = accept_request();
    peer.send(kHello);
    EXPECT_EQ(outcome(first), "200 hello");
    const auto second = send(make());
    EXPECT_TRUE(peer.request().whole);
    peer.close();
    EXPECT_EQ(outcome(second), "upstream-failed: the connection ended before a response came");
    EXPECT_TRUE(is_empty());
  }
}

TEST_F(ClientTest, DoesNotRepeatWhatAFreshConnectionDidNotAnswerOrAnyBeganToAnswer) {
  const auto first = get();
  accept_request().close();
  EXPECT_EQ(outcome(first), "upstream-failed: the connection ended before a response came");
  const auto second = get();
  auto peer = accept_request();
  peer.send(kHello);
  EXPECT_EQ(outcome(second), "200 hello");
  const auto third = get();
  EXPECT_TRUE(peer.request().whole);
  peer.send("HTTP/1.1 100 Continue\r\n\r\n");
  peer.close();
  EXPECT_EQ(outcome(third), "upstream-failed: the connection ended in the head of the response");
}

// ---- the line

TEST_F(ClientTest, WaitsInLineForAConnection) {
  start({.connections = 1, .waiting = 2, .queue_wait = 10s});
  const auto first = get();
  auto peer = accept_request();
  const auto second = get();
  const auto third = get();
  EXPECT_EQ(outcome(get()), "overloaded: 2 requests wait for one of 1 connections already");
  peer.send(kHello);
  EXPECT_EQ(outcome(first), "200 hello");
  EXPECT_TRUE(peer.request().whole);
  peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 6\r\n\r\nsecond");
  EXPECT_EQ(outcome(second), "200 second");
  auto fresh = accept_request();
  fresh.send(kHello);
  EXPECT_EQ(outcome(third), "200 hello");
}

TEST_F(ClientTest, WhoWaitsTooLongIsToldWhy) {
  start({.connections = 1, .queue_wait = 10ms});
  const auto first = get();
  auto peer = accept_request();
  EXPECT_EQ(outcome(get()), "overloaded: no connection was free within 10ms");
  EXPECT_EQ(outcome(send(request(), 2ms)), "limit-wall: the deadline of the request came");
  peer.send(kHello);
  EXPECT_EQ(outcome(first), "200 hello");
}

TEST_F(ClientTest, WhoGivesUpInLineMakesRoom) {
  start({.connections = 1, .waiting = 1, .queue_wait = 10s});
  const auto first = get();
  auto peer = accept_request();
  const auto second = get();
  on_loop([&] { second->handle.reset(); });
  const auto third = get();
  peer.send(kHello);
  EXPECT_EQ(outcome(first), "200 hello");
  EXPECT_TRUE(peer.request().whole);
  peer.send(kHello);
  EXPECT_EQ(outcome(third), "200 hello");
}

TEST_F(ClientTest, AnAddressThatIsNotUsedMakesRoomForAnother) {
  start({.addresses = 1});
  const auto first = get();
  auto peer = accept_request();
  const auto other = net::listen_tcp("127.0.0.1", 0).value();
  const auto to_other = [&] {
    return Request{.to = net::Address::parse("127.0.0.1", net::local_port(other.get())).value()};
  };
  EXPECT_TRUE(outcome(send(to_other())).ends_with("connections to 1 other addresses are in use"));
  peer.send(kHello);
  EXPECT_EQ(outcome(first), "200 hello");
  ASSERT_TRUE(is_idle());
  const auto second = send(to_other(), {}, false);
  EXPECT_TRUE(peer.at_end());
}

// ---- what goes wrong

TEST_F(ClientTest, TellsThatNobodyListens) {
  listening.close();
  EXPECT_EQ(outcome(get()), "upstream-failed: cannot connect: Connection refused");
  EXPECT_TRUE(is_empty());
}

TEST_F(ClientTest, TellsWhatEndedBeforeItsTime) {
  const auto ended = [this](std::string_view bytes, bool resets) {
    const auto sent = get();
    auto peer = accept_request();
    peer.send(bytes);
    if (bytes.find("\r\n\r\n") != std::string_view::npos) {
      sent->responded.get_future().wait();
    }
    if (resets) {
      peer.reset();
    } else {
      peer.close();
    }
    return outcome(sent);
  };
  EXPECT_EQ(ended("", false), "upstream-failed: the connection ended before a response came");
  EXPECT_EQ(ended("", true), "upstream-failed: the connection was reset before a response came");
  EXPECT_TRUE(ended("HTTP/1.1 200", false).starts_with("upstream-failed: "));
  EXPECT_EQ(ended("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", false),
            "200, then upstream-failed: malformed response: The connection ended in the body of the response");
  EXPECT_EQ(ended("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", false),
            "200, then upstream-failed: malformed response: The connection ended in the body of the response");
  for (const std::string_view framing :
       {"Content-Length: 9\r\n\r\nab", "Transfer-Encoding: chunked\r\n\r\n", "\r\nab"}) {
    EXPECT_EQ(ended(fmt::format("HTTP/1.1 200 OK\r\n{}", framing), true),
              "200, then upstream-failed: the connection was reset in the body of the response")
        << framing;
  }
}

TEST_F(ClientTest, RefusesWhatIsNoResponse) {
  for (const std::string& bytes :
       {std::string("garbage\r\n\r\n"), "HTTP/1.1 200 OK\r\nA: " + std::string(40'000, 'x'),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
        std::string("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")}) {
    const auto sent = get();
    auto peer = accept_request();
    peer.send_what_fits(bytes);
    EXPECT_TRUE(outcome(sent).starts_with("upstream-failed: malformed response: ")) << sent->outcome;
    EXPECT_TRUE(is_empty());
  }
  const auto sent = get();
  auto peer = accept_request();
  peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\nzz\r\n");
  EXPECT_TRUE(outcome(sent).starts_with("200, then upstream-failed: malformed response: ")) << sent->outcome;
}

TEST_F(ClientTest, WaitsOnlySoLongForAHead) {
  start({.head_timeout = 20ms});
  for (const std::string_view bytes : {"", "HTTP/1.1 200 OK\r\n"}) {
    const auto sent = get();
    auto peer = accept_request();
    peer.send(bytes);
    EXPECT_EQ(outcome(sent), "upstream-failed: no response within 20ms");
    EXPECT_TRUE(peer.at_end());
  }
}

TEST_F(ClientTest, WaitsOnlySoLongForABody) {
  start({.body_idle = 20ms});
  const auto sent = get();
  auto peer = accept_request();
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab");
  EXPECT_EQ(outcome(sent),
            "200, then upstream-failed: the response came too slowly: it fell 20ms behind 8KiB a second");
}

TEST_F(ClientTest, WaitsOnlySoLongForAPeerThatTakesNothing) {
  start({.body_idle = 20ms});
  Request made = request("POST");
  made.body = std::make_unique<EndlessBody>();
  const auto sent = send(std::move(made));
  auto peer = accept();
  EXPECT_EQ(outcome(sent), "upstream-failed: the request was taken too slowly: it fell 20ms behind 8KiB a second");
}

TEST_F(ClientTest, TheDeadlineHoldsForEverything) {
  const auto unanswered = send(request(), 20ms);
  const auto first = accept();
  EXPECT_EQ(outcome(unanswered), "limit-wall: the deadline of the request came");
  // On a machine that is slow enough it comes before the head; then that is what is tested.
  const auto in_body = send(request(), 200ms);
  auto second = accept();
  second.send_what_fits("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab");
  EXPECT_TRUE(outcome(in_body).ends_with("limit-wall: the deadline of the request came")) << in_body->outcome;
  EXPECT_TRUE(is_empty());
}

TEST_F(ClientTest, ABodyThatFailsFailsItsRequest) {
  Request made = request("POST");
  made.body = std::make_unique<ScriptedBody>(loop, ScriptedBody::Script{.pieces = {"abc"}, .fails = true});
  const auto sent = send(std::move(made));
  auto peer = accept();
  EXPECT_FALSE(peer.request().whole);
  EXPECT_EQ(outcome(sent), "internal: scripted");
  made = request("POST");
  made.body = std::make_unique<ScriptedBody>(loop, ScriptedBody::Script{.pieces = {"abc"}, .length = 9});
  EXPECT_EQ(outcome(send(std::move(made))), "internal: a body is not as long as it said");
}

TEST_F(ClientTest, AnEarlyRefusalIsHeardAndEndsTheBody) {
  Request made = request("POST");
  made.body = std::make_unique<EndlessBody>();
  const auto sent = send(std::move(made));
  auto peer = accept();
  EXPECT_FALSE(peer.read_head().empty());
  peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno");
  EXPECT_EQ(outcome(sent), "413 no");
  EXPECT_TRUE(is_empty());
}

TEST_F(ClientTest, AnEarlyResponseDoesNotEndABodyThatIsWelcome) {
  Request made = request("POST");
  made.body =
      std::make_unique<ScriptedBody>(loop, ScriptedBody::Script{.pieces = {"abc", std::string(3'000'000, 'x')}});
  const auto sent = send(std::move(made));
  auto peer = accept();
  const std::string head = peer.read_head();
  peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n");
  sent->responded.get_future().wait();
  EXPECT_NE(head.find("chunked"), std::string::npos);
  EXPECT_EQ(peer.body_of(head).size(), 3'000'003U);
  peer.send("0\r\n\r\n");
  EXPECT_EQ(outcome(sent), "200 ok");
  EXPECT_TRUE(is_idle());
}

// ---- giving up

TEST_F(ClientTest, WhoGivesUpIsToldNothingAndTheConnectionCloses) {
  const auto connecting = get();
  on_loop([&] { connecting->handle.reset(); });
  EXPECT_TRUE(is_empty());
  std::ignore = accept();

  const auto sent = get();
  auto peer = accept_request();
  on_loop([&] { sent->handle.reset(); });
  EXPECT_TRUE(peer.at_end());

  const auto in_head = get();
  auto second = accept_request();
  second.send("HTTP/1.1 200");
  on_loop([&] { in_head->handle.reset(); });
  EXPECT_TRUE(second.at_end());

  on_loop([&] {
    Request bad = request();
    bad.target = "";
    std::ignore = client->send(std::move(bad), Clock::time_point::max(), [](const auto&) { ADD_FAILURE(); });
  });
  EXPECT_TRUE(is_empty());
  on_loop([&] { EXPECT_EQ(connecting->outcome + sent->outcome + in_head->outcome, ""); });
}

TEST_F(ClientTest, WhoLetsGoOfABodyClosesTheConnectionUnlessAllHasCome) {
  const auto unfinished = send(request(), {}, false);
  auto peer = accept_request();
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab");
  unfinished->responded.get_future().wait();
  on_loop([&] { unfinished->response.reset(); });
  EXPECT_TRUE(peer.at_end());

  const auto finished = send(request(), {}, false);
  auto second = accept_request();
  second.send(kHello);
  finished->responded.get_future().wait();
  on_loop([&] { finished->response.reset(); });
  EXPECT_TRUE(is_idle());
}

TEST_F(ClientTest, TakesASmallBodyAtOnce) {
  const auto sent = send(request(), {}, false);
  auto peer = accept_request();
  peer.send(kHello);
  sent->responded.get_future().wait();
  on_loop([&] { EXPECT_EQ(sent->response->body->take_ready(), "hello"); });
  EXPECT_TRUE(is_idle());
}

TEST_F(ClientTest, ItsEndIsToldToAllWhoWait) {
  start({.connections = 2, .queue_wait = 10s});
  const auto in_head = get();
  auto first = accept_request();
  const auto in_body = get();
  auto second = accept_request();
  second.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab");
  in_body->responded.get_future().wait();
  const auto in_line = get();
  on_loop([&] { client.reset(); });
  EXPECT_TRUE(outcome(in_head).starts_with("draining: ")) << in_head->outcome;
  EXPECT_TRUE(outcome(in_body).starts_with("200, then draining: ")) << in_body->outcome;
  EXPECT_TRUE(outcome(in_line).starts_with("draining: ")) << in_line->outcome;
  EXPECT_TRUE(first.at_end());
  EXPECT_TRUE(second.at_end());
}

}  // namespace
}  // namespace trilby::http
