#include "base/log.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

namespace trilby::log {
namespace {

/// A pipe that holds little, so that its reader is soon too slow.
class Pipe {
 public:
  Pipe() {
    EXPECT_EQ(::pipe2(ends_.data(), O_CLOEXEC), 0);
    EXPECT_GT(::fcntl(in(), F_SETPIPE_SZ, 4096), 0);
  }
  ~Pipe() {
    close_reader();
    ::close(in());
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  [[nodiscard]] int in() const { return ends_[1]; }
  void close_reader() {
    if (ends_[0] >= 0) {
      ::close(std::exchange(ends_[0], -1));
    }
  }
  /// Reads until `text` has come, waiting for it.
  std::string read_until(std::string_view text) {
    std::string all;
    std::array<char, 4096> piece{};
    while (all.find(text) == std::string::npos) {
      const ssize_t count = ::read(ends_[0], piece.data(), piece.size());
      if (count <= 0) {
        ADD_FAILURE() << "the pipe ended before \"" << text << "\" came";
        break;
      }
      all.append(piece.data(), static_cast<std::size_t>(count));
    }
    return all;
  }

 private:
  std::array<int, 2> ends_{};
};

std::size_t lines_with(std::string_view text, std::string_view what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) {
    ++count;
  }
  return count;
}

class LogTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);
  }
  void SetUp() override { configure(Format::Json, Level::Info); }
  void TearDown() override { configure(Format::Human, Level::Info); }

  Pipe pipe_;
  const std::uint64_t dropped_before_ = dropped_lines();
  [[nodiscard]] std::uint64_t dropped() const { return dropped_lines() - dropped_before_; }
};

TEST_F(LogTest, WritesALineAtOnceWhereTheReaderTakesIt) {
  const Background background(pipe_.in());
  info("hello", {{"answer", 42}});
  debug("not kept at this level");
  error("bye");
  const std::string text = pipe_.read_until("bye\"}\n");
  EXPECT_NE(text.find(R"(Z","level":"info","message":"hello","answer":"42"})"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("level":"error","message":"bye"})"), std::string::npos) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
}

TEST_F(LogTest, KeepsALineOneLineInBothFormats) {
  constexpr std::string_view kHostile = "a\n{\"level\":\"error\"}\r\x1b[2J\x1b]0;title\x07\xff\xc2\x9b\u2028 \\\" end";
  for (const Format format : {Format::Json, Format::Human}) {
    configure(format, Level::Info);
    const Background background(pipe_.in());
    info("stderr", {{"line", kHostile}});
    const std::string text = pipe_.read_until("\n");
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
    EXPECT_TRUE(std::none_of(text.begin(), text.end() - 1, [](char c) {
      return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    })) << text;
    EXPECT_EQ(text.find('\xff'), std::string::npos) << text;
    EXPECT_EQ(text.find("\xc2\x9b"), std::string::npos) << "it begins an escape on some terminals: " << text;
    EXPECT_NE(text.find(" end"), std::string::npos) << text;
  }
}

TEST_F(LogTest, DropsLinesInsteadOfWaitingAndSaysHowMany) {
  const Background background(pipe_.in());
  const std::string long_text(1000, 'x');
  std::uint64_t written = 0;
  while (dropped() == 0) {
    info("a line", {{"text", long_text}});
    ++written;
  }
  for (int i = 0; i < 10; ++i) {
    info("a line", {{"text", long_text}});
    ++written;
  }
  error("an error has room of its own");
  const std::uint64_t lost = dropped();
  EXPECT_GE(lost, 11U);
  EXPECT_GT((written - lost) * 1000, Background::kMaxWaiting / 2);
  const std::string text = pipe_.read_until(fmt::format(R"("lines":"{}")", lost));
  EXPECT_EQ(lines_with(text, "a line"), written - lost);
  EXPECT_EQ(lines_with(text, "an error has room"), 1U);
  EXPECT_NE(text.find("were dropped"), std::string::npos);
  info("again");
  EXPECT_NE(pipe_.read_until("again").find("again"), std::string::npos);
  EXPECT_EQ(dropped(), lost);
}

TEST_F(LogTest, WritesWhatWaitsAtItsEnd) {
  std::string text;
  std::thread reader;
  {
    const Background background(pipe_.in());
    for (int i = 0; i < 500; ++i) {
      info("a line");
    }
    error("the last words");
    reader = std::thread([&] { text = pipe_.read_until("the last words"); });
  }
  reader.join();
  EXPECT_EQ(lines_with(text, "a line"), 500U);
  EXPECT_EQ(dropped(), 0U);
}

TEST_F(LogTest, EndsThoughItsReaderStandsStill) {
  {
    const Background background(pipe_.in());
    for (int i = 0; i < 1000; ++i) {
      info("a line that nobody will read");
    }
    EXPECT_EQ(dropped(), 0U);
  }
  EXPECT_GT(dropped(), 0U);
}

TEST_F(LogTest, OutlivesItsReader) {
  const Background background(pipe_.in());
  pipe_.close_reader();
  for (int i = 0; i < 10; ++i) {
    info("to nobody");
  }
  while (dropped() < 10) {
    std::this_thread::yield();  // the writer's thread counts what it cannot write
  }
  EXPECT_EQ(dropped(), 10U);
}

TEST_F(LogTest, GoesOnWhenTheDiskHasRoomAgain) {
  std::string path = ::testing::TempDir() + "/log-XXXXXX";
  const int file = ::mkstemp(path.data());
  ASSERT_GE(file, 0);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit full{.rlim_cur = 100, .rlim_max = before.rlim_max};
  {
    const Background background(file);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
    info("a line that fits");
    info("a line that does not fit");
    while (dropped() == 0) {
      std::this_thread::yield();
    }
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    info("a line with room");
  }
  ::close(file);
  std::ifstream reader(path);
  const std::string all{std::istreambuf_iterator<char>(reader), {}};
  ::unlink(path.c_str());
  // The torn line is ended, so that the next ones are whole.
  const std::size_t torn = all.find('\n', all.find("that fits")) + 1;
  const std::size_t next = all.find('\n', torn) + 1;
  EXPECT_EQ(all.substr(next, 9), R"({"time":")") << all;
  EXPECT_NE(all.find("a line with room", next), std::string::npos) << all;
  EXPECT_NE(all.find(R"("lines":"1"})", next), std::string::npos) << all;
  EXPECT_EQ(dropped(), 1U);
}

TEST(LogTime, FollowsAClockThatIsSetBack) {
  const auto at = [](std::int64_t milliseconds) {
    std::string out;
    append_time(out, std::chrono::system_clock::time_point(std::chrono::milliseconds(milliseconds)), Format::Json);
    return out;
  };
  EXPECT_EQ(at(1'000'000'000'042), "2001-09-09T01:46:40.042Z");
  EXPECT_EQ(at(1'000'003'600'900), "2001-09-09T02:46:40.900Z");
  EXPECT_EQ(at(1'000'000'000'007), "2001-09-09T01:46:40.007Z");
}

}  // namespace
}  // namespace trilby::log
