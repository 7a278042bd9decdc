#include "net/connect.h"

#include <optional>

#include <gtest/gtest.h>
#include <sys/socket.h>

namespace trilby::net {
namespace {

using namespace std::chrono_literals;

class ConnectTest : public testing::Test {
 protected:
  ConnectTest() {
    guard.start(10s, [this] {
      ADD_FAILURE() << "nobody was told";
      loop.stop();
    });
  }
  void connect(std::uint16_t port, Duration timeout = 10s) {
    attempt.emplace(loop, Address::parse("127.0.0.1", port).value(), timeout, [this](Result<Socket> result) {
      attempt.reset();
      got = std::move(result);
      loop.stop();
    });
  }

  Loop loop;
  Timer guard{loop};
  std::optional<Connect> attempt;
  std::optional<Result<Socket>> got;
};

TEST_F(ConnectTest, GivesAConnectedSocket) {
  const auto listening = listen_tcp("127.0.0.1", 0).value();
  connect(local_port(listening.get()));
  EXPECT_FALSE(got) << "not before the constructor returned";
  loop.run();
  ASSERT_TRUE(got.value()) << got->error().message;
  EXPECT_EQ(peer_name((*got)->get()), fmt::format("127.0.0.1:{}", local_port(listening.get())));
}

TEST_F(ConnectTest, TellsThatNobodyListens) {
  auto listening = listen_tcp("127.0.0.1", 0).value();
  const std::uint16_t port = local_port(listening.get());
  listening.close();
  connect(port);
  loop.run();
  ASSERT_FALSE(got.value());
  EXPECT_EQ(got->error().reason, Reason::UpstreamFailed);
  EXPECT_EQ(got->error().message, fmt::format("127.0.0.1:{}: cannot connect: Connection refused", port));
}

/// A listening socket whose queue is full takes no handshake.
class FullListener {
 public:
  FullListener() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const Address any = Address::parse("127.0.0.1", 0).value();
    EXPECT_EQ(::bind(socket_.get(), any.get(), any.size()), 0);
    EXPECT_EQ(::listen(socket_.get(), 0), 0);
    const Address self = Address::parse("127.0.0.1", port()).value();
    queued_ = Socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(queued_.get(), self.get(), self.size()), 0);
  }
  [[nodiscard]] std::uint16_t port() const { return local_port(socket_.get()); }

 private:
  Socket socket_;
  Socket queued_;
};

TEST_F(ConnectTest, GivesUpAfterItsTime) {
  const FullListener full;
  connect(full.port(), 20ms);
  loop.run();
  ASSERT_FALSE(got.value());
  EXPECT_EQ(got->error().reason, Reason::UpstreamFailed);
  EXPECT_TRUE(got->error().message.ends_with("no answer within 20ms")) << got->error().message;
}

TEST_F(ConnectTest, SaysNothingOnceItIsDestroyed) {
  const auto listening = listen_tcp("127.0.0.1", 0).value();
  connect(local_port(listening.get()));
  attempt.reset();
  const FullListener full;
  connect(full.port());
  attempt.reset();
  Timer end(loop);
  end.start(2ms, [this] { loop.stop(); });
  loop.run();
  EXPECT_FALSE(got);
}

TEST(Address, ReadsLiteralsAndNothingElse) {
  EXPECT_EQ(Address::parse("127.0.0.1", 3500)->text(), "127.0.0.1:3500");
  EXPECT_EQ(Address::parse("::1", 1)->text(), "[::1]:1");
  EXPECT_EQ(Address::parse("[0:0::1]", 1)->text(), "[::1]:1");
  for (const char* bad : {"", "localhost", "127.1", "127.0.0.1 ", "[127.0.0.1", "::1%lo", "[]", "0x7f.0.0.1"}) {
    EXPECT_FALSE(Address::parse(bad, 1)) << bad;
  }
}

}  // namespace
}  // namespace trilby::net
