#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include "http/test_server.h"
#include "net/tls_test_peer.h"

namespace trilby::http {
namespace {

using observe::HandshakeEnd;

constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const std::string kBothProtocols = "\x02h2\x08http/1.1";

class ServerTlsTest : public testing::Test {
 protected:
  void serve(ServerLimits limits = {}) {
    server = std::make_unique<TestServer>(
        [](const std::shared_ptr<Exchange>& exchange) {
          exchange->respond(text_response("to " + exchange->head().target));
        },
        limits, net::make_test_context({kServedProtocols.begin(), kServedProtocols.end()}), &handshakes);
  }
  /// Waits until that many handshakes ended so, and no other did.
  bool have_ended(const std::map<observe::HandshakeEnd, std::uint64_t>& expected) const {
    return server->wait_until([&] {
      bool is_so = true;
      for (std::size_t i = 0; i < handshakes.ended.size(); ++i) {
        const auto at = expected.find(static_cast<observe::HandshakeEnd>(i));
        is_so = is_so && handshakes.ended.at(i).value() == (at == expected.end() ? 0 : at->second);
      }
      return is_so;
    });
  }
  net::TlsTestClient connect(const std::string& protocols = {}) const {
    return net::TlsTestClient(server->connect_socket(), {.protocols = protocols});
  }
  std::size_t connections() const {
    std::size_t count = 0;
    server->on_loop([&] { count = server->server().connections(); });
    return count;
  }
  static bool ended(const net::Socket& socket) {
    char byte = 0;
    return recv(socket.get(), &byte, 1, 0) <= 0;
  }
  /// What the first frame of a server of HTTP/2 begins with: SETTINGS on stream 0.
  static bool is_http2(const std::string& answer) {
    return answer.size() >= 9 && answer[3] == 4 && answer.substr(5, 4) == std::string(4, '\0');
  }

  observe::HandshakeMetrics handshakes;
  std::unique_ptr<TestServer> server;
};

TEST_F(ServerTlsTest, ServesRequestAfterRequest) {
  serve();
  for (const std::string& protocols : {std::string(), std::string("\x08http/1.1")}) {
    net::TlsTestClient client = connect(protocols);
    ASSERT_TRUE(client.shake_hands()) << client.error();
    EXPECT_EQ(client.protocol(), protocols.empty() ? "" : "http/1.1");
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(client.send(kRequest));
      const std::string answer = client.read_some();
      EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
      EXPECT_TRUE(answer.ends_with("to /")) << answer;
    }
  }
  EXPECT_TRUE(have_ended({{HandshakeEnd::Done, 2}})) << "one a connection";
}

TEST_F(ServerTlsTest, SpeaksHttp2WithWhoChoosesItAndWithWhoBeginsWithIt) {
  serve();
  for (const std::string& protocols : {kBothProtocols, std::string()}) {
    net::TlsTestClient client = connect(protocols);
    ASSERT_TRUE(client.shake_hands()) << client.error();
    EXPECT_EQ(client.protocol(), protocols.empty() ? "" : "h2");
    ASSERT_TRUE(client.send(std::string(kPreface) + std::string("\0\0\0\x04\0\0\0\0\0", 9)));
    EXPECT_TRUE(is_http2(client.read_some()));
  }
}

TEST_F(ServerTlsTest, HoldsPeersToTheProtocolThatTheyChose) {
  serve();
  net::TlsTestClient one = connect("\x08http/1.1");
  ASSERT_TRUE(one.shake_hands());
  ASSERT_TRUE(one.send(kPreface));
  EXPECT_TRUE(one.read_some().starts_with("HTTP/1.1 4"));
  net::TlsTestClient two = connect(kBothProtocols);
  ASSERT_TRUE(two.shake_hands());
  ASSERT_TRUE(two.send(kRequest));
  EXPECT_FALSE(two.read_some().starts_with("HTTP/1.1"));
  EXPECT_TRUE(two.was_told_the_end());
}

TEST_F(ServerTlsTest, AnUpgradeToHttp2IsForConnectionsWithoutTls) {
  ServerLimits limits;
  limits.h2c_upgrade = true;
  serve(limits);
  net::TlsTestClient client = connect();
  ASSERT_TRUE(client.shake_hands());
  ASSERT_TRUE(
      client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                  "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"));
  EXPECT_TRUE(client.read_some().starts_with("HTTP/1.1 200 "));
}

TEST_F(ServerTlsTest, AHandshakeHasTheTimeOfAHead) {
  ServerLimits limits;
  limits.head_timeout = std::chrono::milliseconds(50);
  serve(limits);
  const net::Socket silent = server->connect_socket();
  const net::Socket slow = server->connect_socket();
  ASSERT_EQ(::send(slow.get(), "\x16\x03\x01", 3, MSG_NOSIGNAL), 3);
  EXPECT_TRUE(ended(silent));
  EXPECT_TRUE(ended(slow));
  EXPECT_TRUE(server->wait_until([&] { return server->server().connections() == 0; }));
  EXPECT_TRUE(have_ended({{HandshakeEnd::Timeout, 2}}));
}

TEST_F(ServerTlsTest, TheTimeOfAHandshakeIsNotThatOfWhatComesAfterIt) {
  ServerLimits limits;
  limits.head_timeout = std::chrono::seconds(5);
  limits.keep_alive = std::chrono::milliseconds(50);
  serve(limits);
  net::TlsTestClient client = connect();
  ASSERT_TRUE(client.shake_hands());
  EXPECT_TRUE(client.was_told_the_end()) << "idle for longer than it may";
}

TEST_F(ServerTlsTest, TheOldestOfTooManyHandshakesGivesWay) {
  ServerLimits limits;
  limits.handshakes = 3;
  serve(limits);
  net::TlsTestClient done = connect();
  ASSERT_TRUE(done.shake_hands());
  std::vector<net::Socket> open;
  for (int i = 0; i < 3; ++i) {
    open.push_back(server->connect_socket());
  }
  EXPECT_EQ(connections(), 4U);
  net::TlsTestClient fourth = connect();
  EXPECT_TRUE(ended(open.front()));
  EXPECT_EQ(connections(), 4U);
  // Those that go on are not disturbed.
  ASSERT_TRUE(fourth.shake_hands()) << fourth.error();
  for (net::TlsTestClient* client : {&done, &fourth}) {
    ASSERT_TRUE(client->send(kRequest));
    EXPECT_TRUE(client->read_some().starts_with("HTTP/1.1 200 "));
  }
  pollfd others[] = {{open[1].get(), POLLIN, 0}, {open[2].get(), POLLIN, 0}};
  EXPECT_EQ(poll(others, 2, 0), 0);
  EXPECT_TRUE(have_ended({{HandshakeEnd::Done, 2}, {HandshakeEnd::Crowded, 1}}));
}

TEST_F(ServerTlsTest, ADrainEndsHandshakesThatDoNotEnd) {
  ServerLimits limits;
  limits.drain_idle = std::chrono::milliseconds(20);
  serve(limits);
  const net::Socket silent = server->connect_socket();
  bool drained = false;
  server->on_loop([&] { server->server().drain([&] { drained = true; }); });
  EXPECT_TRUE(server->wait_until([&] { return drained; }));
  EXPECT_TRUE(ended(silent));
}

TEST_F(ServerTlsTest, ADrainEndsHandshakesThatBeginAfterIt) {
  ServerLimits limits;
  limits.head_timeout = std::chrono::minutes(10);
  limits.drain_idle = std::chrono::milliseconds(20);
  serve(limits);
  bool drained = false;
  server->on_loop([&] { server->server().drain([&] { drained = true; }); });
  const net::Socket silent = server->connect_socket();
  EXPECT_TRUE(server->wait_until([&] { return drained && server->server().connections() == 0; }));
}

TEST_F(ServerTlsTest, PlainHttpIsNotAnswered) {
  serve();
  TestClient client = server->connect();
  client.send(kRequest);
  EXPECT_TRUE(client.at_end());
  EXPECT_TRUE(have_ended({{HandshakeEnd::Protocol, 1}}));
}

TEST_F(ServerTlsTest, CountsWhoLeavesAndWhoDoesNotTrustTheCertificate) {
  serve();
  server->connect_socket().close();
  ASSERT_TRUE(have_ended({{HandshakeEnd::Closed, 1}}));
  net::TlsTestClient distrustful = connect();
  SSL_set_verify(distrustful.ssl(), SSL_VERIFY_PEER, nullptr);
  EXPECT_FALSE(distrustful.shake_hands());
  EXPECT_TRUE(have_ended({{HandshakeEnd::Closed, 1}, {HandshakeEnd::Refused, 1}}));
}

TEST_F(ServerTlsTest, FailuresOfLaterAreNoHandshakes) {
  serve();
  net::TlsTestClient client = connect();
  ASSERT_TRUE(client.shake_hands());
  client.reset();
  ASSERT_TRUE(server->wait_until([&] { return server->server().connections() == 0; }));
  EXPECT_TRUE(have_ended({{HandshakeEnd::Done, 1}}));
}

TEST_F(ServerTlsTest, ServersWithHandshakesUnderWayMayBeDestroyed) {
  serve();
  const net::Socket silent = server->connect_socket();
  server->destroy_server();
  EXPECT_TRUE(ended(silent));
}

}  // namespace
}  // namespace trilby::http
