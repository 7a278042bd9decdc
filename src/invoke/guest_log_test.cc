#include "invoke/guest_log.h"

#include <algorithm>
#include <array>
#include <optional>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/log.h"

namespace trilby::invoke {
namespace {

using namespace std::chrono_literals;

/// Catches the operator's log.
class GuestLogTest : public ::testing::Test {
 protected:
  GuestLogTest() {
    log::configure(log::Format::Json, log::Level::Info);
    EXPECT_EQ(::pipe2(ends_.data(), O_CLOEXEC | O_NONBLOCK), 0);
    background_.emplace(ends_[1]);
  }
  ~GuestLogTest() override {
    background_.reset();
    ::close(ends_[0]);
    ::close(ends_[1]);
    log::configure(log::Format::Human, log::Level::Info);
  }
  /// What was logged since this was last asked.
  std::string logged() {
    std::string all;
    std::array<char, 65536> piece{};
    for (ssize_t count = 0; (count = ::read(ends_[0], piece.data(), piece.size())) > 0;) {
      all.append(piece.data(), static_cast<std::size_t>(count));
    }
    return all;
  }
  static policy::Limits limits(std::uint32_t lines, Bytes length = Bytes{1024}) {
    policy::Limits made;
    made.log_lines_per_second = lines;
    made.log_line_length = length;
    return made;
  }
  static std::uint32_t write(GuestLog& log, std::string text, Clock::time_point now) {
    host::Stdio stdio;
    stdio.errors = std::move(text);
    return log.write("the-id-of-a-request", stdio, now);
  }

  const Clock::time_point start_ = Clock::now();

 private:
  std::array<int, 2> ends_{};
  std::optional<log::Background> background_;
};

std::size_t count(const std::string& text, std::string_view what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) {
    ++found;
  }
  return found;
}

TEST_F(GuestLogTest, LogsEachLineWithItsFunctionAndRequest) {
  GuestLog log("f", limits(10));
  EXPECT_EQ(write(log, "one\n\ntwo", start_), 0U);
  const std::string text = logged();
  EXPECT_NE(text.find(R"("message":"stderr","function":"f","request":"the-id-of-a-request","line":"one"})"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find(R"("line":"two"})"), std::string::npos);
  EXPECT_EQ(count(text, "\n"), 2U);
}

TEST_F(GuestLogTest, DropsWhatIsOverTheRateAndSaysHowMuch) {
  GuestLog log("f", limits(3));
  EXPECT_EQ(write(log, "a\nb\n", start_), 0U);
  EXPECT_EQ(write(log, "c\nd\ne\n", start_ + 1ms), 2U) << "the rate is that of all calls together";
  EXPECT_EQ(write(log, std::string(30'000, '\n') + "f\n", start_ + 2ms), 1U) << "empty lines are none";
  EXPECT_EQ(count(logged(), "stderr\""), 3U);
  EXPECT_EQ(write(log, "g\n", start_ + 1s), 0U);
  const std::string text = logged();
  EXPECT_NE(text.find(R"("function":"f","limit":"3","lines":"3"})"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("line":"g")"), std::string::npos);
}

TEST_F(GuestLogTest, IsSilentWhenNothingMayBeLogged) {
  GuestLog log("f", limits(0));
  EXPECT_EQ(write(log, "a\nb\n", start_), 2U);
  EXPECT_EQ(write(log, "a\n", start_ + 1h), 1U);
  EXPECT_EQ(logged(), "");
}

TEST_F(GuestLogTest, CutsLongLinesBetweenCharacters) {
  GuestLog log("f", limits(10, Bytes{16}));
  EXPECT_EQ(write(log, "0123456789abcd\xE2\x82\xAC and more\nshort\n", start_), 0U);
  const std::string text = logged();
  EXPECT_NE(text.find(R"("line":"0123456789abcd","cut_bytes":"12"})"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("line":"short"})"), std::string::npos);
  EXPECT_EQ(write(log, std::string(100, '\x80') + "\n", start_), 0U);
  EXPECT_EQ(count(logged(), "ufffd"), 13U) << "what is no text at all is cut near the limit";
}

TEST_F(GuestLogTest, TellsOfBytesThatWereNotKept) {
  GuestLog log("f", limits(10));
  host::Stdio stdio;
  stdio.errors_dropped = 77;
  EXPECT_EQ(log.write("id", stdio, start_), 0U);
  EXPECT_NE(logged().find(R"("bytes":"77")"), std::string::npos);
}

}  // namespace
}  // namespace trilby::invoke
