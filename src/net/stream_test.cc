#include "net/stream.h"

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace trilby::net {
namespace {

/// A stream on one end of a pair of sockets; the test holds the other, and says what to do when the stream speaks.
class StreamTest : public testing::Test, public Stream::Listener {
 protected:
  StreamTest() {
    std::array<int, 2> ends{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
    far = Socket(ends[1]);
    stream.emplace(loop, Socket(ends[0]), *this);
    guard.start(std::chrono::seconds(10), [this] {
      ADD_FAILURE() << "the stream said nothing";
      loop.stop();
    });
  }

  void on_input(Stream::Input input) override { input_seen(input); }
  void on_writable() override { writable_seen(); }
  void send(std::string_view bytes) const {
    ASSERT_EQ(::write(far.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }

  Loop loop;
  Timer guard{loop};
  Socket far;
  std::optional<Stream> stream;
  std::function<void(Stream::Input)> input_seen = [](Stream::Input) { FAIL(); };
  std::function<void()> writable_seen = [] { FAIL(); };
};

TEST_F(StreamTest, BuffersWhatIsNotConsumedAndReadsNoFurtherThanItsCapacity) {
  std::string got;
  input_seen = [&](Stream::Input input) {
    ASSERT_EQ(input, Stream::Input::More);
    EXPECT_LE(stream->input().size(), 4U);
    got += stream->input().substr(0, 3);
    stream->consume(3);
    if (got.size() < 9) {
      return stream->receive(4);
    }
    loop.stop();
  };
  send("abcdefghijkl");
  stream->receive(4);
  stream->receive(4);  // asked for already
  loop.run();
  EXPECT_EQ(got, "abcdefghi");
  EXPECT_EQ(stream->input(), "j");
}

TEST_F(StreamTest, ASmallerCapacityKeepsWhatIsWaiting) {
  input_seen = [&](Stream::Input) {
    EXPECT_EQ(stream->input(), "abcdef");
    stream->receive(4);  // full at that size: reads nothing
    stream->consume(4);
    stream->receive(4);
    input_seen = [&](Stream::Input) {
      EXPECT_EQ(stream->input(), "efgh");
      loop.stop();
    };
    send("ghij");
  };
  send("abcdef");
  stream->receive(100);
  loop.run();
}

TEST_F(StreamTest, TellsTheEndAndCanStillWrite) {
  input_seen = [&](Stream::Input input) {
    EXPECT_EQ(input, Stream::Input::End);
    loop.stop();
  };
  ASSERT_EQ(shutdown(far.get(), SHUT_WR), 0);
  stream->receive(100);
  loop.run();
  const std::array<std::string_view, 3> pieces{"an", "", "swer"};
  EXPECT_EQ(stream->write(pieces), 6U);
  std::array<char, 16> got{};
  ASSERT_EQ(read(far.get(), got.data(), got.size()), 6);
  EXPECT_EQ(std::string_view(got.data()), "answer");
}

TEST_F(StreamTest, WritesAsMuchAsFitsAndSaysWhenThereIsRoom) {
  const std::string large(1 << 20, 'x');
  const std::array<std::string_view, 1> pieces{large};
  std::size_t taken = 0;
  while (const auto now = stream->write(pieces)) {
    if (*now == 0) {
      break;
    }
    taken += *now;
  }
  ASSERT_GT(taken, 0U);
  writable_seen = [&] { loop.stop(); };
  stream->wait_writable();
  std::string sink(taken, '\0');
  EXPECT_GT(read(far.get(), sink.data(), sink.size()), 0);
  loop.run();
  EXPECT_GT(stream->write(pieces).value(), 0U);
}

TEST_F(StreamTest, SaysNothingWhenThePeerIsGone) {
  far.close();
  const std::array<std::string_view, 1> pieces{"x"};
  EXPECT_FALSE(stream->write(pieces));
}

TEST_F(StreamTest, AClosedStreamIsSilent) {
  send("abc");
  stream->receive(100);
  stream->close();
  Timer end(loop);
  end.start(std::chrono::milliseconds(2), [&] { loop.stop(); });
  loop.run();  // input_seen would fail
}

TEST_F(StreamTest, MayBeDestroyedByItsListener) {
  input_seen = [&](Stream::Input) {
    stream.reset();
    loop.stop();
  };
  send("abc");
  stream->receive(100);
  loop.run();
  EXPECT_FALSE(stream.has_value());
}

TEST_F(StreamTest, KnowsWhetherSomethingWaitsUnread) {
  EXPECT_TRUE(stream->is_silent());
  send("a");
  EXPECT_FALSE(stream->is_silent());
  EXPECT_FALSE(stream->is_silent());  // it was not read
  input_seen = [&](Stream::Input) { loop.stop(); };
  stream->receive(100);
  loop.run();
  EXPECT_EQ(stream->input(), "a");
  EXPECT_TRUE(stream->is_silent());
  far.close();
  EXPECT_FALSE(stream->is_silent());
}

TEST_F(StreamTest, ASocketThatIsNoneFails) {
  stream.emplace(loop, Socket(), *this);
  input_seen = [&](Stream::Input input) {
    EXPECT_EQ(input, Stream::Input::Failed);
    loop.stop();
  };
  stream->receive(100);
  loop.run();
}

}  // namespace
}  // namespace trilby::net
