#include "net/acceptor.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace trilby::net {
namespace {

/// Loops on threads, and a record of what was dealt to them.
class AcceptorTest : public testing::Test {
 protected:
  AcceptorTest()
      : acceptor({loops, loops + 1}),
        threads{std::thread([this] { loops[0].run(); }), std::thread([this] { loops[1].run(); })} {}
  ~AcceptorTest() override {
    acceptor.stop();
    for (int i = 0; i < 2; ++i) {
      loops[i].stop();
      threads[i].join();
    }
  }

  std::uint16_t listen(int tag) {
    auto socket = listen_tcp("127.0.0.1", 0).value();
    const auto port = local_port(socket.get());
    acceptor.add(std::move(socket), [this, tag](std::size_t loop, Accepted connection) {
      const std::lock_guard lock(mutex);
      EXPECT_TRUE(loops[loop].in_loop_thread());
      dealt.push_back({tag, loop, std::move(connection)});
      changed.notify_all();
    });
    return port;
  }

  static Socket unconnected() { return Socket(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); }
  static int connect_to(const Socket& client, std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  }

  bool wait_for(std::size_t count) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(10), [&] { return dealt.size() >= count; });
  }

  struct Dealt {
    int tag;
    std::size_t loop;
    Accepted connection;
  };
  /// How many of those that are open were dealt to the first loop.
  std::ptrdiff_t on_first_loop() {
    return std::count_if(dealt.begin(), dealt.end(), [](const Dealt& d) { return d.loop == 0; });
  }
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Dealt> dealt;
  Loop loops[2];
  Acceptor acceptor;
  std::thread threads[2];
};

TEST_F(AcceptorTest, DealsInTurnAndNamesTheListener) {
  const auto first = listen(1);
  const auto second = listen(2);
  ASSERT_TRUE(acceptor.start());
  std::vector<Socket> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(unconnected());
    ASSERT_EQ(connect_to(clients.back(), i < 4 ? first : second), 0);
  }
  ASSERT_TRUE(wait_for(8));
  const std::lock_guard lock(mutex);
  EXPECT_EQ(on_first_loop(), 4);
  EXPECT_EQ(std::count_if(dealt.begin(), dealt.end(), [](const Dealt& d) { return d.tag == 1; }), 4);
  EXPECT_FALSE(peer_name(dealt.front().connection.socket.get()).empty());
}

TEST_F(AcceptorTest, DealsToTheLoopWithTheFewestOpenConnections) {
  const auto port = listen(1);
  ASSERT_TRUE(acceptor.start());
  std::vector<Socket> clients;
  const auto connect_some = [&](int count) {
    std::size_t expected = 0;
    {
      const std::lock_guard lock(mutex);
      expected = dealt.size() + static_cast<std::size_t>(count);
    }
    for (int i = 0; i < count; ++i) {
      clients.push_back(unconnected());
      ASSERT_EQ(connect_to(clients.back(), port), 0);
    }
    ASSERT_TRUE(wait_for(expected));
  };
  connect_some(8);
  {
    const std::lock_guard lock(mutex);
    std::erase_if(dealt, [](const Dealt& d) { return d.loop == 0; });  // all of one loop end
  }
  connect_some(4);
  {
    const std::lock_guard lock(mutex);
    EXPECT_EQ(on_first_loop(), 4);  // dealing in turn would have made it 2 and 6
  }
  connect_some(6);
  const std::lock_guard lock(mutex);
  EXPECT_EQ(on_first_loop(), 7);
  EXPECT_EQ(dealt.size(), 14U);
}

TEST(Place, CountsUntilItIsGone) {
  const auto count = std::make_shared<Place::Count>(0);
  Place first(count);
  {
    const Place second(count);
    EXPECT_EQ(*count, 2U);
    Place third(count);
    third = std::move(first);
    EXPECT_EQ(*count, 2U);
  }
  EXPECT_EQ(*count, 0U);
}

TEST_F(AcceptorTest, StopClosesTheListeners) {
  const auto port = listen(1);
  ASSERT_TRUE(acceptor.start());
  acceptor.stop();
  const Socket client = unconnected();
  EXPECT_NE(connect_to(client, port), 0);
}

TEST_F(AcceptorTest, StopTakesWhatWaitsInTheQueues) {
  const auto port = listen(1);
  // Connected by the kernel before anybody accepts.
  std::vector<Socket> clients;
  for (int i = 0; i < 200; ++i) {
    clients.push_back(unconnected());
    ASSERT_EQ(connect_to(clients.back(), port), 0);
  }
  ASSERT_TRUE(acceptor.start());
  acceptor.stop(std::chrono::hours(1));  // which is for handshakes over a network
  EXPECT_TRUE(wait_for(200));
}

TEST_F(AcceptorTest, WaitsWhileDescriptorsAreOutAndThenGoesOn) {
  const auto port = listen(1);
  ASSERT_TRUE(acceptor.start());
  const Socket client = unconnected();
  Socket probe(dup(client.get()));
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none_left{.rlim_cur = static_cast<rlim_t>(probe.get()), .rlim_max = before.rlim_max};
  probe.close();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none_left), 0);
  const bool connected = connect_to(client, port) == 0;  // by the kernel, into its queue
  {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, std::chrono::milliseconds(120), [&] { return !dealt.empty(); });
    EXPECT_TRUE(dealt.empty());
  }
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(connected);
  EXPECT_TRUE(wait_for(1));
}

}  // namespace
}  // namespace trilby::net
