#include "app/supervisor_probe.h"

#include <array>
#include <string_view>

#include <gtest/gtest.h>
#include <sys/socket.h>

namespace trilby::app {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kReady = "HTTP/1.1 204 No Content\r\n\r\n";
constexpr std::string_view kNotYet = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";

/// A sidecar that answers what the test says.
class SidecarProbeTest : public testing::Test {
 protected:
  SidecarProbeTest() : listening_(net::listen_tcp("127.0.0.1", 0).value()) {}

  [[nodiscard]] Address address() const { return {"127.0.0.1", net::local_port(listening_.get())}; }

  /// Lets the probe go on until it has sent its request.
  net::Socket accept_request(SidecarProbe& probe) {
    EXPECT_FALSE(probe.advance(now_));
    pollfd polled{listening_.get(), POLLIN, 0};
    EXPECT_EQ(poll(&polled, 1, kPatienceMs), 1);
    net::Socket connection(accept(listening_.get(), nullptr, nullptr));
    if (probe.polled().events == POLLOUT) {
      EXPECT_FALSE(wait_and_advance(probe));
    }
    std::array<char, 512> piece;
    const ssize_t count = recv(connection.get(), piece.data(), piece.size(), 0);
    EXPECT_TRUE(count > 0 && std::string_view(piece.data(), static_cast<std::size_t>(count))
                                 .starts_with("GET /v1.0/healthz/outbound HTTP/1.1\r\n"));
    return connection;
  }

  /// \return what the probe says once its descriptor is ready
  bool wait_and_advance(SidecarProbe& probe) const {
    pollfd polled = probe.polled();
    if (polled.fd >= 0) {
      EXPECT_EQ(poll(&polled, 1, kPatienceMs), 1);
    }
    return probe.advance(now_);
  }

  static void say(const net::Socket& connection, std::string_view text) {
    EXPECT_EQ(send(connection.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }

  static constexpr int kPatienceMs = 10'000;
  net::Socket listening_;
  Clock::time_point now_{};
};

TEST_F(SidecarProbeTest, IsReadyWhenTheSidecarSaysSo) {
  SidecarProbe probe(address(), now_);
  const net::Socket connection = accept_request(probe);
  say(connection, kReady.substr(0, 5));
  EXPECT_FALSE(wait_and_advance(probe));
  say(connection, kReady.substr(5));
  EXPECT_TRUE(wait_and_advance(probe));
  EXPECT_FALSE(probe.has_failed());
  EXPECT_EQ(probe.polled().fd, -1);
}

TEST_F(SidecarProbeTest, AsksAgainAfterPausesThatGrow) {
  SidecarProbe probe(address(), now_);
  Duration before{};
  for (int i = 0; i < 8; ++i) {
    const net::Socket connection = accept_request(probe);
    say(connection, kNotYet);
    EXPECT_FALSE(wait_and_advance(probe));
    EXPECT_TRUE(probe.has_failed());
    EXPECT_FALSE(probe.advance(now_)) << "it pauses";
    EXPECT_EQ(probe.polled().fd, -1);
    const Duration pause = probe.due() - now_;
    EXPECT_GE(pause, before);
    EXPECT_LE(pause, 2s);
    before = pause;
    now_ = probe.due();
  }
  EXPECT_EQ(before, 2s);
  say(accept_request(probe), kReady);
  EXPECT_TRUE(wait_and_advance(probe));
}

TEST_F(SidecarProbeTest, GivesAnAttemptASecond) {
  SidecarProbe probe(address(), now_);
  const net::Socket silent = accept_request(probe);
  EXPECT_EQ(probe.due(), now_ + 1s);
  now_ += 999ms;
  EXPECT_FALSE(probe.advance(now_));
  EXPECT_NE(probe.polled().fd, -1);
  now_ += 1ms;
  EXPECT_FALSE(probe.advance(now_));
  EXPECT_EQ(probe.polled().fd, -1);
  EXPECT_TRUE(probe.has_failed());
}

TEST_F(SidecarProbeTest, TakesNothingElseForAnAnswer) {
  SidecarProbe probe(address(), now_);
  for (const std::string_view said : {"", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 404 Not Found\r\n\r\n", "HTTP/1.1 "}) {
    net::Socket connection = accept_request(probe);
    if (!said.empty()) {
      say(connection, said);
    }
    connection.close();
    for (int i = 0; probe.polled().fd >= 0 && i < 10; ++i) {
      EXPECT_FALSE(wait_and_advance(probe)) << said;
    }
    EXPECT_EQ(probe.polled().fd, -1) << said;
    now_ = probe.due();
  }
}

TEST_F(SidecarProbeTest, WaitsForWhoDoesNotListenYet) {
  const Address nobody = address();
  listening_.close();
  SidecarProbe probe(nobody, now_);
  for (int i = 0; !probe.has_failed() && i < 10; ++i) {
    EXPECT_FALSE(wait_and_advance(probe));
  }
  EXPECT_TRUE(probe.has_failed());
  listening_ = net::listen_tcp(nobody.host, nobody.port).value();
  now_ = probe.due();
  say(accept_request(probe), kReady);
  EXPECT_TRUE(wait_and_advance(probe));
}

}  // namespace
}  // namespace trilby::app
