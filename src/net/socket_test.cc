#include "net/socket.h"

#include <array>
#include <set>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace trilby::net {
namespace {

TEST(ListenTcp, TakesAFreePortAndSaysWhich) {
  const auto socket = listen_tcp("127.0.0.1", 0);
  ASSERT_TRUE(socket) << socket.error().message;
  EXPECT_NE(local_port(socket->get()), 0);
  EXPECT_TRUE(fcntl(socket->get(), F_GETFL) & O_NONBLOCK);
  EXPECT_TRUE(fcntl(socket->get(), F_GETFD) & FD_CLOEXEC);
}

TEST(ListenTcp, NamesThePortThatIsInUse) {
  const auto first = listen_tcp("127.0.0.1", 0);
  ASSERT_TRUE(first);
  const auto port = local_port(first->get());
  const auto second = listen_tcp("127.0.0.1", port);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().reason, Reason::Manifest);
  EXPECT_NE(second.error().message.find("127.0.0.1 port " + std::to_string(port)), std::string::npos)
      << second.error().message;
  EXPECT_NE(second.error().message.find("another program"), std::string::npos) << second.error().message;
}

TEST(ListenTcp, RefusesWhatIsNoAddressOfThisMachine) {
  for (const char* host : {"localhost", "", "127.0.0.1:80", "256.0.0.1", "[::1", "192.0.2.1"}) {
    const auto socket = listen_tcp(host, 0);
    ASSERT_FALSE(socket) << host;
    EXPECT_EQ(socket.error().reason, Reason::Manifest);
  }
}

TEST(ListenTcp, TakesIpv6WithAndWithoutBrackets) {
  const auto plain = listen_tcp("::1", 0);
  if (!plain && plain.error().message.find("no such address") != std::string::npos) {
    GTEST_SKIP() << "this machine has no IPv6";
  }
  ASSERT_TRUE(plain) << plain.error().message;
  EXPECT_TRUE(listen_tcp("[::1]", 0));
}

TEST(FreePorts, AreOthersEachAndNoneThatIsTaken) {
  std::set<std::uint16_t> taken;
  for (unsigned port = 0; port < 1U << 16U; port += 3) {
    taken.insert(static_cast<std::uint16_t>(port));  // a third of all, for the system says which ones are free
  }
  constexpr std::size_t kCount = 50;
  const auto ports = free_ports("127.0.0.1", kCount, taken);
  ASSERT_TRUE(ports) << ports.error().message;
  EXPECT_EQ(std::set<std::uint16_t>(ports->begin(), ports->end()).size(), kCount);
  for (const std::uint16_t port : *ports) {
    EXPECT_FALSE(taken.contains(port)) << port;
  }
}

TEST(Socket, ClosesWhatItOwnsOnce) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  Socket read_end(ends[0]);
  {
    Socket write_end(ends[1]);
    Socket moved(std::move(write_end));
    EXPECT_FALSE(write_end);  // NOLINT(bugprone-use-after-move): what a moved-from socket is
    moved = Socket(moved.release());
    EXPECT_TRUE(moved);
  }
  char byte = 0;
  EXPECT_EQ(read(read_end.get(), &byte, 1), 0);
}

TEST(PeerName, IsEmptyForWhatIsNotConnected) {
  EXPECT_EQ(peer_name(-1), "");
  EXPECT_EQ(local_port(-1), 0);
}

TEST(Authority, OfThisMachineAloneIsLoopback) {
  for (const char* own :
       {"127.0.0.1", "127.0.0.1:9464", "127.3.2.1:1", "[::1]", "[::1]:9464", "localhost", "LocalHost:80"}) {
    EXPECT_TRUE(is_loopback(std::string_view(own))) << own;
  }
  for (const char* other : {"", ":80", "::1", "[::1", "10.0.0.1:9464", "[fe80::1]:1", "example.org",
                            "localhost.example.org", "127.0.0.1.example.org", "127.1", "0.0.0.0", "x[::1]:1"}) {
    EXPECT_FALSE(is_loopback(std::string_view(other))) << other;
  }
}

}  // namespace
}  // namespace trilby::net
