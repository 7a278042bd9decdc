#include "observe/access_log.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace trilby::observe {
namespace {

AccessEntry entry() {
  AccessEntry line;
  line.time = std::chrono::system_clock::time_point(std::chrono::milliseconds(1'000'000'000'042));
  line.app = "image-api-rs";
  line.method = "POST";
  line.path = "/api/image";
  line.status = 200;
  line.reason = Reason::Ok;
  line.response_bytes = 12;
  line.duration = std::chrono::microseconds(1500);
  line.request_id = "0123456789abcdef";
  return line;
}

std::string json(const AccessEntry& line) {
  std::string out;
  append_line(out, line, log::Format::Json);
  return out;
}

std::string human(const AccessEntry& line) {
  std::string out;
  append_line(out, line, log::Format::Human);
  return out;
}

std::string read_all(int fd) {
  std::string all;
  std::array<char, 65536> piece{};
  for (;;) {
    const ssize_t count = ::read(fd, piece.data(), piece.size());
    if (count <= 0) {
      return all;
    }
    all.append(piece.data(), static_cast<std::size_t>(count));
  }
}

TEST(AccessLine, SaysWhatHappenedInJson) {
  EXPECT_EQ(
      json(entry()),
      R"({"time":"2001-09-09T01:46:40.042Z","level":"info","message":"request","app":"image-api-rs","method":"POST",)"
      R"("path":"/api/image","reason":"ok","request_id":"0123456789abcdef","status":200,"request_bytes":0,)"
      R"("response_bytes":12,"duration_seconds":0.001500})"
      "\n");
}

TEST(AccessLine, ShowsTheCostOfAFunctionThatRan) {
  AccessEntry line = entry();
  line.function = "grayscale";
  line.record.cpu = std::chrono::milliseconds(20);
  line.record.memory_peak = Bytes{3U << 20U};
  EXPECT_NE(json(line).find(R"("function":"grayscale","cpu_seconds":0.020000)"), std::string::npos);
  EXPECT_NE(human(line).find("function=grayscale cpu=20.0ms memory=3072KiB"), std::string::npos);
}

TEST(AccessLine, StaysOneLineWhateverTheCallerSent) {
  AccessEntry line = entry();
  line.method = "PO\nST\"";
  line.path = "/a\r\n{\"level\":\"error\"}\x1b[2J\xff id=forged";
  line.message = "first\nsecond \x1b[31mred";
  for (const std::string& text : {json(line), human(line)}) {
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
    EXPECT_TRUE(std::none_of(text.begin(), text.end() - 1, [](char c) { return static_cast<unsigned char>(c) < 0x20; }))
        << text;
  }
  EXPECT_NE(human(line).find("\"/a\xEF\xBF\xBD\xEF\xBF\xBD{'level':'error'}"), std::string::npos) << human(line);
}

TEST(AccessLine, IsShorterThanAnAtomicWriteWhateverTheCallerSent) {
  AccessEntry line = entry();
  const std::string nasty(100'000, '\\');
  line.method = line.path = line.message = nasty;
  EXPECT_LT(json(line).size(), 4096U);
  EXPECT_LT(human(line).size(), 4096U);
}

class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe2(ends_.data(), O_NONBLOCK), 0); }
  ~Pipe() {
    for (const int end : ends_) {
      ::close(end);
    }
  }
  [[nodiscard]] int in() const { return ends_[1]; }
  [[nodiscard]] int out() const { return ends_[0]; }

 private:
  std::array<int, 2> ends_{};
};

TEST(AccessLog, WritesInBatches) {
  const Pipe pipe;
  AccessLog log(pipe.in(), log::Format::Json);
  log.append(entry());
  EXPECT_EQ(read_all(pipe.out()), "");
  EXPECT_TRUE(log.pending());
  log.flush();
  EXPECT_EQ(read_all(pipe.out()), json(entry()));
  EXPECT_FALSE(log.pending());
  std::size_t lines = 0;
  for (; lines * json(entry()).size() < AccessLog::kBatch; ++lines) {
    log.append(entry());
  }
  EXPECT_EQ(read_all(pipe.out()).size(), lines * json(entry()).size());
}

TEST(AccessLog, DropsLinesInsteadOfWaitingForASlowReader) {
  const Pipe pipe;
  AccessLog log(pipe.in(), log::Format::Json);
  std::size_t kept = 0;
  for (log.append(entry()); log.take_dropped() == 0; log.append(entry())) {
    ++kept;
  }
  const std::size_t size = json(entry()).size();
  EXPECT_GE(kept * size, AccessLog::kMaxPending);
  log.append(entry());
  EXPECT_EQ(log.take_dropped(), 1U);
  std::string received = read_all(pipe.out());
  for (log.flush(); log.pending(); log.flush()) {
    received += read_all(pipe.out());
  }
  received += read_all(pipe.out());
  EXPECT_EQ(received.size(), kept * size);  // whole lines, in order, none twice
  log.append(entry());
  EXPECT_EQ(log.take_dropped(), 0U);
}

std::size_t count(const std::string& text, std::string_view what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) {
    ++found;
  }
  return found;
}

TEST(AccessLog, WritesOneInSoManyWhenItIsBusy) {
  const Pipe pipe;
  AccessLog log(pipe.in(), log::Format::Json, {.full_rate = 5, .one_in = 10});
  AccessEntry line = entry();
  line.ended = Clock::now();
  for (int i = 0; i < 5 + 30 + 9; ++i) {
    log.append(line);
  }
  log.flush();
  std::string text = read_all(pipe.out());
  EXPECT_EQ(count(text, "\n"), 8U);
  EXPECT_EQ(count(text, R"(,"sampled":10})"), 3U) << text;
  line.ended += std::chrono::seconds(1);
  for (int i = 0; i < 5; ++i) {
    log.append(line);
  }
  log.flush();
  text = read_all(pipe.out());
  EXPECT_EQ(count(text, "\n"), 5U) << "a quiet second is written whole";
  EXPECT_EQ(count(text, "sampled"), 0U);
  EXPECT_EQ(log.take_dropped(), 0U) << "what is left out on purpose is not lost";
}

TEST(AccessLog, AlwaysWritesFailures) {
  const Pipe pipe;
  AccessLog log(pipe.in(), log::Format::Json, {.full_rate = 1, .one_in = 1000});
  AccessEntry line = entry();
  line.ended = Clock::now();
  line.reason = Reason::Trap;
  for (int i = 0; i < 50; ++i) {
    log.append(entry());
    log.append(line);
  }
  log.flush();
  EXPECT_EQ(count(read_all(pipe.out()), R"("reason":"trap")"), 50U);
}

TEST(AccessLog, HasRoomForFailuresWhenItsReaderStandsStill) {
  const Pipe pipe;
  AccessLog log(pipe.in(), log::Format::Json);
  while (log.take_dropped() == 0) {
    log.append(entry());
  }
  AccessEntry line = entry();
  line.reason = Reason::Trap;
  log.append(line);
  EXPECT_EQ(log.take_dropped(), 0U);
  while (log.take_dropped() == 0) {  // which is bounded too
    log.append(line);
  }
}

TEST(AccessLine, SaysForHowManyItStands) {
  std::string text;
  append_line(text, entry(), log::Format::Human, 100);
  EXPECT_TRUE(text.ends_with(" id=0123456789abcdef sampled=100\n")) << text;
}

TEST(AccessLog, LeavesASharedPipeBlocking) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  {
    AccessLog log(ends[1], log::Format::Json);
    EXPECT_EQ(::fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
  }
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(AccessLog, WritesToSocketsAndFiles) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
  AccessLog socket_log(ends[1], log::Format::Json);
  socket_log.append(entry());
  socket_log.flush();
  EXPECT_EQ(read_all(ends[0]), json(entry()));
  ::close(ends[0]);
  socket_log.append(entry());
  socket_log.flush();  // the reader is gone: neither a signal nor a full buffer
  EXPECT_FALSE(socket_log.pending());
  EXPECT_EQ(socket_log.take_dropped(), 1U);
  ::close(ends[1]);

  std::string path = testing::TempDir() + "/access-XXXXXX";
  const int file = ::mkstemp(path.data());
  ASSERT_GE(file, 0);
  ASSERT_EQ(::write(file, "before\n", 7), 7);
  AccessLog file_log(file, log::Format::Json);
  file_log.append(entry());
  file_log.flush();
  ASSERT_EQ(::lseek(file, 0, SEEK_SET), 0);
  EXPECT_EQ(read_all(file), "before\n" + json(entry()));
  ::close(file);
  ::unlink(path.c_str());
}

TEST(AccessLog, IsSilentWithoutADescriptor) {
  AccessLog log(-1, log::Format::Human);
  log.append(entry());
  EXPECT_FALSE(log.pending());
}

}  // namespace
}  // namespace trilby::observe
