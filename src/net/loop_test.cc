#include "net/loop.h"

#include <array>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/socket.h"

namespace trilby::net {
namespace {

using namespace std::chrono_literals;

TEST(Loop, RunsPostedWorkInOrderOnItsThread) {
  Loop loop;
  std::vector<int> order;
  std::thread::id thread;
  for (int i = 0; i < 3; ++i) {
    loop.post([&order, i] { order.push_back(i); });
  }
  std::thread poster([&] {
    loop.post([&] {
      thread = std::this_thread::get_id();
      EXPECT_TRUE(loop.in_loop_thread());
      loop.stop();
    });
  });
  loop.run();
  poster.join();
  EXPECT_EQ(order, (std::vector{0, 1, 2}));
  EXPECT_EQ(thread, std::this_thread::get_id());
  EXPECT_FALSE(loop.in_loop_thread());
}

TEST(Loop, WakesForWorkPostedByAnotherThread) {
  Loop loop;
  std::thread runner([&] { loop.run(); });
  loop.post([&] { loop.post([&] { loop.stop(); }); });
  runner.join();
}

TEST(Loop, DropsUnrunWorkWhenItEnds) {
  auto held = std::make_shared<int>(1);
  {
    Loop loop;
    loop.stop();
    loop.post([held] { FAIL(); });
    loop.run();
  }
  EXPECT_EQ(held.use_count(), 1);
}

/// Work that asks for its next turn when it has run, like a guest that computes without end.
struct Endless {
  void run() {
    ++turns;
    if (on_turn) {
      on_turn();
    }
    loop.post_background([this] { run(); });
  }
  Loop& loop;
  int& turns;  // of all that share it
  std::function<void()> on_turn;
};

/// Ten of them on one loop.
struct Crowd {
  Crowd() {
    for (int i = 0; i < 10; ++i) {
      guests.push_back({loop, turns, {}});
      loop.post([this, i] { guests[static_cast<std::size_t>(i)].run(); });
    }
  }
  Loop loop;
  int turns = 0;
  std::vector<Endless> guests;
};

TEST(BackgroundWork, GoesRoundInOrder) {
  Loop loop;
  std::vector<int> order;
  std::function<void(int)> turn = [&](int which) {
    order.push_back(which);
    if (order.size() == 9) {
      return loop.stop();
    }
    loop.post_background([&, which] { turn(which); });
  };
  loop.post([&] {
    for (int i = 0; i < 3; ++i) {
      loop.post_background([&, i] { turn(i); });
    }
  });
  loop.run();
  EXPECT_EQ(order, (std::vector{0, 1, 2, 0, 1, 2, 0, 1, 2}));
}

TEST(BackgroundWork, LetsPostedWorkGoFirstHoweverManyPiecesWait) {
  Crowd crowd;
  int posted_at = 0;
  int hops = 0;
  std::function<void()> hop = [&] {
    EXPECT_LE(crowd.turns, posted_at + 1);
    if (++hops == 100) {
      return crowd.loop.stop();
    }
    posted_at = crowd.turns;
    crowd.loop.post(hop);
  };
  crowd.guests[3].on_turn = [&] {
    if (crowd.turns == 54) {
      posted_at = crowd.turns;
      crowd.loop.post(hop);
    }
  };
  crowd.loop.run();
  EXPECT_EQ(hops, 100);
}

TEST(BackgroundWork, LetsASocketThatIsReadyGoFirst) {
  Crowd crowd;
  std::array<int, 2> ends{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
  boost::asio::posix::stream_descriptor reader(crowd.loop.context(), ends[0]);
  const Socket writer(ends[1]);
  int written_at = 0;
  int reads = 0;
  std::array<char, 1> byte{};
  std::function<void()> read = [&] {
    reader.async_read_some(boost::asio::buffer(byte), [&](const boost::system::error_code& error, std::size_t /*n*/) {
      EXPECT_FALSE(error);
      EXPECT_EQ(crowd.turns, written_at) << "no piece ran between the one that wrote and the reader";
      if (++reads == 20) {
        return crowd.loop.stop();
      }
      read();
    });
  };
  read();
  crowd.guests[5].on_turn = [&] {
    if (crowd.turns <= 10) {
      return;  // the first turn of each is no background work yet
    }
    written_at = crowd.turns;
    EXPECT_EQ(::write(writer.get(), "x", 1), 1);
  };
  crowd.loop.run();
  EXPECT_EQ(reads, 20);
}

TEST(BackgroundWork, IsNotHeldUpForEverByOtherWork) {
  Loop loop;
  std::function<void()> busy = [&] { loop.post(busy); };
  loop.post(busy);
  loop.post([&] { loop.post_background([&] { loop.stop(); }); });
  loop.run();
}

TEST(BackgroundWork, IsDroppedUnrunWhenTheLoopEnds) {
  auto held = std::make_shared<int>(1);
  {
    Loop loop;
    loop.post([&] {
      loop.post_background([held, timer = std::make_shared<Timer>(loop)] { FAIL(); });
      loop.stop();
    });
    loop.run();
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST(DeferredWork, RunsOnceInOrderBehindWhatWasReady) {
  Loop loop;
  std::vector<int> order;
  Deferred first(loop);
  Deferred second(loop);
  loop.post([&] {
    second.start([&] { order.push_back(2); });
    first.start([&] {
      order.push_back(3);
      EXPECT_FALSE(first.started());
      loop.post([&] { loop.stop(); });
    });
    EXPECT_TRUE(first.started());
    order.push_back(0);
  });
  loop.post([&] { order.push_back(1); });
  loop.run();
  EXPECT_EQ(order, (std::vector{0, 1, 2, 3}));
}

TEST(DeferredWork, IsDoneStageByStage) {
  Loop loop;
  std::vector<std::string> order;
  std::list<Deferred> all;
  for (const char* name : {"a", "b", "c"}) {
    Deferred& one = all.emplace_back(loop);
    loop.post([&, name] {
      one.start([&, name] {
        order.push_back(std::string("call ") + name);
        one.start([&, name] {
          order.push_back(std::string("answer ") + name);
          if (order.size() == 6) {
            loop.stop();
          }
        });
      });
    });
  }
  loop.run();
  EXPECT_EQ(order, (std::vector<std::string>{"call a", "call b", "call c", "answer a", "answer b", "answer c"}));
}

TEST(DeferredWork, CanBeReplacedCancelledAndDestroyed) {
  Loop loop;
  int ran = 0;
  Deferred replaced(loop);
  Deferred cancelled(loop);
  Deferred destroyer(loop);
  auto destroyed = std::make_unique<Deferred>(loop);
  auto itself = std::make_unique<Deferred>(loop);
  loop.post([&] {
    destroyer.start([&] { destroyed.reset(); });
    replaced.start([] { FAIL(); });
    cancelled.start([] { FAIL(); });
    itself->start([&] { itself.reset(); });
    destroyed->start([] { FAIL(); });
    replaced.start([&] { ++ran; });
    cancelled.cancel();
    EXPECT_FALSE(cancelled.started());
  });
  Deferred last(loop);
  last.start([&] { loop.post([&] { loop.post([&] { loop.stop(); }); }); });
  loop.run();
  EXPECT_EQ(ran, 1);
  EXPECT_EQ(itself, nullptr);
}

TEST(DeferredWork, GoesBeforeBackgroundWorkAndDoesNotHoldItUpForEver) {
  Crowd crowd;
  Deferred endless(crowd.loop);
  int started_at = 0;
  int chain = 0;
  std::function<void()> next = [&] {
    ++chain;
    endless.start(next);
  };
  Deferred fresh(crowd.loop);
  crowd.guests[3].on_turn = [&] {
    if (crowd.turns == 54) {
      started_at = crowd.turns;
      fresh.start([&] {
        EXPECT_EQ(crowd.turns, started_at);
        next();
      });
    }
    if (crowd.turns > 200) {
      crowd.loop.stop();
    }
  };
  crowd.loop.run();
  EXPECT_GT(chain, 100);
}

TEST(DeferredWork, IsDroppedUnrunWhenTheLoopStops) {
  auto held = std::make_shared<int>(1);
  Loop loop;
  {
    Deferred first(loop);
    Deferred second(loop);
    loop.post([&] {
      first.start([&] { loop.stop(); });
      second.start([held] { FAIL(); });
    });
    loop.run();
    EXPECT_TRUE(second.started());
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST(DeferredWork, MayBelongToWorkThatIsDroppedUnrun) {
  auto held = std::make_shared<int>(1);
  {
    Loop loop;
    auto owned = std::make_shared<Deferred>(loop);
    owned->start([held] { FAIL(); });
    loop.post([owned] { FAIL(); });
    owned.reset();
    loop.stop();
    loop.run();
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST(Timer, CallsBackOnceNotBeforeItsTime) {
  Loop loop;
  Timer timer(loop);
  const auto begin = Clock::now();
  int calls = 0;
  timer.start(5ms, [&] {
    ++calls;
    EXPECT_GE(Clock::now() - begin, 5ms);
    EXPECT_FALSE(timer.running());
    loop.stop();
  });
  EXPECT_TRUE(timer.running());
  loop.run();
  EXPECT_EQ(calls, 1);
}

TEST(Timer, AnEarlierOneIsNotHeldUpByALaterOne) {
  Loop loop;
  Timer late(loop);
  Timer early(loop);
  late.start(1h, [] { FAIL(); });
  early.start(1ms, [&] { loop.stop(); });
  loop.run();
}

TEST(Timer, ALaterOneStillComesWhenTheEarlierWasCancelled) {
  Loop loop;
  Timer early(loop);
  Timer late(loop);
  early.start(1ms, [] { FAIL(); });
  late.start(3ms, [&] { loop.stop(); });
  early.cancel();
  EXPECT_FALSE(early.running());
  loop.run();
}

TEST(Timer, IsSilentWhenDestroyed) {
  Loop loop;
  std::optional<Timer> gone(std::in_place, loop);
  gone->start(0ms, [] { FAIL(); });
  gone.reset();
  Timer end(loop);
  end.start(2ms, [&] { loop.stop(); });
  loop.run();
}

TEST(Timer, MayBeDestroyedByItsOwnCallback) {
  Loop loop;
  std::optional<Timer> timer(std::in_place, loop);
  timer->start(0ms, [&] {
    timer.reset();
    loop.stop();
  });
  loop.run();
  EXPECT_FALSE(timer.has_value());
}

TEST(Timer, TheLongestTimeIsNever) {
  Loop loop;
  Timer never(loop);
  never.start(Duration::max(), [] { FAIL(); });
  Timer end(loop);
  end.start(1ms, [&] { loop.stop(); });
  loop.run();
  EXPECT_TRUE(never.running());
}

}  // namespace
}  // namespace trilby::net
