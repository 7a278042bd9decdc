#include "app/worker_wait.h"

#include <array>
#include <string_view>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "app/worker.h"

namespace trilby::app {
namespace {

using namespace std::chrono_literals;

/// What happened, a letter each: "a" to arrange, "s" settled.
class WorkerWaitTest : public testing::Test {
 protected:
  WorkerWaitTest() {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe2(ends.data(), O_DIRECT | O_CLOEXEC), 0);
    orders = net::Socket(ends[0]);
    supervisor = net::Socket(ends[1]);
    EXPECT_TRUE(wait.open(orders.get()));
    wait.on_arrange([this] { happened += 'a'; });
    wait.on_settled([this] { happened += 's'; });
  }
  void tell(Order order) const {
    const char byte = static_cast<char>(order);
    EXPECT_EQ(write(supervisor.get(), &byte, 1), 1);
  }

  net::Socket orders;
  net::Socket supervisor;
  WorkerWait wait;
  std::string happened;
};

TEST_F(WorkerWaitTest, HearsEachOrder) {
  tell(Order::Serve);
  tell(Order::Arrange);
  tell(Order::Retire);
  tell(Order::Stop);
  EXPECT_EQ(wait.wait({}), Wake::Serve);
  EXPECT_EQ(wait.wait({}), Wake::Retire);
  EXPECT_EQ(happened, "a");
  EXPECT_EQ(wait.wait({}), Wake::Stop);
}

TEST_F(WorkerWaitTest, TheEndOfTheOrdersIsToStopOnce) {
  supervisor.close();
  EXPECT_EQ(wait.wait({}), Wake::Stop);
  EXPECT_EQ(wait.wait(Clock::now()), Wake::Timeout);
}

TEST_F(WorkerWaitTest, HearsAnOrderWhileNothingHasSettledOrDrained) {
  wait.expect(2);
  std::thread later([this] { tell(Order::Stop); });
  EXPECT_EQ(wait.wait(Clock::now() + 1h), Wake::Stop);
  later.join();
  EXPECT_FALSE(wait.settled());
}

TEST_F(WorkerWaitTest, TellsOnceThatItHasSettledAndWaitsOn) {
  wait.expect(2);
  wait.end_one();
  wait.settle();
  EXPECT_EQ(wait.wait(Clock::now()), Wake::Timeout);
  EXPECT_EQ(happened, "s") << "though time is up";
  EXPECT_TRUE(wait.settled());
  EXPECT_EQ(wait.wait(Clock::now()), Wake::Timeout) << "one has not ended";
  wait.end_one();
  EXPECT_EQ(wait.wait({}), Wake::Drained);
  EXPECT_EQ(happened, "s");
}

TEST_F(WorkerWaitTest, TellsThatItHasSettledBeforeThatItHasDrained) {
  wait.expect(1);
  std::thread loop([this] {
    wait.settle();
    wait.end_one();
  });
  EXPECT_EQ(wait.wait({}), Wake::Drained);
  loop.join();
  EXPECT_EQ(happened, "s");
}

TEST_F(WorkerWaitTest, NothingHasSettledWhenTimeIsUpBefore) {
  wait.expect(1);
  EXPECT_EQ(wait.wait(Clock::now() + 1ms), Wake::Timeout);
  EXPECT_EQ(happened, "");
}

}  // namespace
}  // namespace trilby::app
