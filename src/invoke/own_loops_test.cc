#include "invoke/own_loops.h"

#include <array>
#include <atomic>
#include <ctime>
#include <functional>
#include <future>
#include <optional>
#include <thread>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "invoke/test_calls.h"

namespace trilby::invoke {
namespace {

/// An engine for functions with more memory than others may share a loop with.
wasm::Engine& large_engine() {
  static const std::unique_ptr<wasm::Engine> engine =
      wasm::Engine::create({.max_memory = 256_MiB, .max_calls = 64}).value();
  return *engine;
}

/// For tests/guests/files.wat: opens "pipe", which waits for somebody who writes.
const std::string kOpenPipe("\x01\x03\0\0\x04\0\0\0pipe", 12);

/// Calls on a loop that has others for the functions that need them.
class Handed : public ::testing::Test {
 protected:
  Handed() {
    calls_.invoker.reset();
    calls_.invoker = make_invoker(calls_.loop, {&requests_, &answers_}, {.own = &own_});
  }
  ~Handed() override { EXPECT_EQ(requests_.in_use(), Bytes{}); }

  /// Needs much memory, and so runs elsewhere.
  [[nodiscard]] static std::shared_ptr<const Function> elsewhere(const std::string& guest, policy::Limits limits = {},
                                                                 Output output = Output::Body) {
    const wasm::TestDirectory directory;
    limits.memory = 129_MiB;
    FunctionSpec spec = spec_of(guest, directory.guest(guest), limits);
    spec.output = output;
    return prepare(std::move(spec), large_engine(), nullptr, nullptr).value();
  }
  /// Does with files what it is told, and may use the test's folder.
  [[nodiscard]] std::shared_ptr<const Function> with_directory(const policy::Limits& limits) const {
    FunctionSpec spec = spec_of("files", directory_.guest("files"), limits);
    spec.policy.grants.directories = {{directory_.path(), "/data", false}};
    return prepare(std::move(spec), test_engine(), nullptr, nullptr).value();
  }
  /// Until no call is left anywhere. The loop that handed them over sees to the end of those that were left behind.
  void settle() {
    calls_.loop.context().restart();
    net::Timer look(calls_.loop);
    const std::function<void()> until_none_is_left = [&] {
      own_.live() == 0 ? calls_.loop.stop() : look.start(1ms, until_none_is_left);
    };
    calls_.run(until_none_is_left);
  }

  const wasm::TestDirectory directory_;
  BodyBudget requests_{64_MiB};
  BodyBudget answers_{64_MiB};
  Calls calls_;  // its loop outlives the other ones
  OwnLoops own_{2, {&requests_, &answers_}};
};

/// Ends a call when it has been interrupted twice: the first time comes as if before the wait had begun.
class DeafOnce final : public AdmittedInvoker {
 public:
  explicit DeafOnce(net::Loop& loop) : loop_(loop) {}
  void start(const std::shared_ptr<const Function>& /*function*/, Call /*call*/, OnOutcome /*done*/) override {}
  void start_admitted(AdmittedCall /*call*/, std::shared_ptr<Cancellation> cancellation, OnOutcome done) override {
    loop_.set_occupant(nullptr, cancellation.get());
    for (int left = 2; left > 0; --left) {
      timespec most{.tv_sec = 20, .tv_nsec = 0};
      nanosleep(&most, nullptr);
    }
    done(refusal(Reason::LimitWall));
  }
  [[nodiscard]] std::size_t live() const override { return 0; }
  void cancel_all(Reason /*why*/) override {}

 private:
  net::Loop& loop_;
};

/// Its first call yields for ever; the second one then has the thread, and waits until it is told to go on.
class SecondWaits final : public AdmittedInvoker {
 public:
  struct Seen {
    std::promise<void> waits;
    std::atomic<bool> go_on = false;
    std::atomic<bool> interrupted = false;
  };
  SecondWaits(net::Loop& loop, Seen& seen) : loop_(loop), seen_(seen) {}
  void start(const std::shared_ptr<const Function>& /*function*/, Call /*call*/, OnOutcome /*done*/) override {}
  void start_admitted(AdmittedCall /*call*/, std::shared_ptr<Cancellation> cancellation, OnOutcome done) override {
    if (!first_) {
      first_ = std::move(done);
      return;
    }
    loop_.set_occupant(nullptr, cancellation.get());
    seen_.waits.set_value();
    while (!seen_.go_on && !seen_.interrupted) {
      timespec most{.tv_sec = 0, .tv_nsec = 1'000'000};
      seen_.interrupted = nanosleep(&most, nullptr) != 0;
    }
    loop_.set_occupant(nullptr);
    done(refusal(Reason::LimitWall));
    first_(refusal(Reason::LimitWall));
  }
  [[nodiscard]] std::size_t live() const override { return 0; }
  void cancel_all(Reason /*why*/) override {}

 private:
  net::Loop& loop_;
  Seen& seen_;
  OnOutcome first_;
};

TEST_F(Handed, ACallIsNotInterruptedInPlaceOfAnother) {
  SecondWaits::Seen seen;
  OwnLoops own(1, [&seen](net::Loop& loop) { return std::make_unique<SecondWaits>(loop, seen); });
  const auto first = own.hand_over({}, calls_.loop, [](const Outcome& /*outcome*/) {});
  const auto second = own.hand_over({}, calls_.loop, [](const Outcome& /*outcome*/) {});
  seen.waits.get_future().wait();
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(first->interrupt()) << "it has not ended";
    std::this_thread::sleep_for(1ms);  // so that one comes while it waits, if any comes
  }
  EXPECT_FALSE(seen.interrupted);
  seen.go_on = true;
  while (own.live() > 0) {
    std::this_thread::yield();
  }
  EXPECT_FALSE(first->interrupt());
}

TEST_F(Handed, ACallThatWasNotWaitingYetIsInterruptedAgain) {
  OwnLoops own(1, [](net::Loop& loop) { return std::make_unique<DeafOnce>(loop); });
  const auto invoker = make_invoker(calls_.loop, {}, {.own = &own});
  const auto function = with_directory({.wall = 20ms});
  const auto began = Clock::now();
  net::Timer look(calls_.loop);
  const std::function<void()> until_it_is_back = [&] {
    own.live() == 0 ? calls_.loop.stop() : look.start(1ms, until_it_is_back);
  };
  calls_.loop.post([&] {
    invoker->start(function, test_call(), [&](const Outcome& outcome) {
      EXPECT_EQ(outcome.reason, Reason::LimitWall);
      until_it_is_back();
    });
  });
  calls_.loop.run();
  EXPECT_LT(Clock::now() - began, 20s) << "it came back by itself";
}

TEST_F(Handed, CallsComeBackWithTheirOutcome) {
  const auto echo = elsewhere("echo");
  std::thread::id where;
  calls_.on_end = [&](const std::string&) { where = std::this_thread::get_id(); };
  calls_.run([&] { calls_.start("a", echo, test_call("hello")); });
  EXPECT_EQ(where, std::this_thread::get_id());
  ASSERT_EQ(calls_.reason("a"), Reason::Ok);
  EXPECT_EQ(calls_.ended[0].outcome.function, "echo");
  EXPECT_EQ(read_body(calls_.ended[0].outcome), "hello");
  EXPECT_EQ(calls_.ended[0].outcome.record.input, Bytes{5});
  EXPECT_GE(calls_.ended[0].outcome.record.wall, calls_.ended[0].outcome.record.instantiate);
  EXPECT_EQ(echo->admission().running(), 0U);
}

TEST_F(Handed, ManyCallsComeBackAll) {
  const auto echo = elsewhere("echo", {.concurrency = 8, .queue = 1000, .queue_wait = 60s});
  calls_.run([&] {
    for (int i = 0; i < 500; ++i) {
      calls_.start(std::to_string(i), echo, test_call(std::to_string(i)));
    }
  });
  EXPECT_EQ(calls_.ended.size(), 500U);
  for (Calls::Ended& one : calls_.ended) {
    ASSERT_EQ(one.outcome.reason, Reason::Ok);
    ASSERT_EQ(read_body(one.outcome), one.name);
  }
  settle();
  EXPECT_EQ(echo->admission().running(), 0U);
}

TEST_F(Handed, CallsOfOneFunctionAreBoundedAsEverywhere) {
  const auto sleep = elsewhere("sleep", {.wall = 100ms, .concurrency = 1, .queue = 0});
  calls_.run([&] {
    calls_.start("first", sleep, test_call(std::string(8, '\x7F')));
    calls_.start("second", sleep, test_call(std::string(8, '\x7F')));
  });
  EXPECT_EQ(calls_.reason("second"), Reason::Overloaded);
  EXPECT_EQ(calls_.reason("first"), Reason::LimitWall);
}

TEST_F(Handed, BusyCallsDoNotHoldUpTheLoopTheyCameFrom) {
  const auto fill = elsewhere("spin", {.cpu = 200ms});
  const auto echo = test_function("echo");
  calls_.run([&] {
    calls_.start("busy", fill, test_call());
    calls_.start("light", echo, test_call("a"));
  });
  EXPECT_EQ(calls_.ended[0].name, "light");
  EXPECT_EQ(calls_.reason("busy"), Reason::LimitCpu);
  EXPECT_GT(calls_.find("busy")->record.cpu, 100ms);
}

TEST_F(Handed, CallsEndWhenTheirCallerLeaves) {
  const auto sleep = elsewhere("sleep", {.wall = 60s});
  const auto cancellation = std::make_shared<Cancellation>();
  Call call = test_call(std::string(8, '\x7F'));
  call.cancellation = cancellation;
  calls_.run([&] {
    calls_.start("left", sleep, std::move(call));
    calls_.loop.post([&] { cancellation->cancel(Reason::Cancelled); });
  });
  EXPECT_EQ(calls_.reason("left"), Reason::Cancelled);
  settle();
  EXPECT_EQ(sleep->admission().running(), 0U);
}

TEST_F(Handed, CallsEndAtTheirCallersDeadline) {
  const auto sleep = elsewhere("sleep", {.wall = 60s});
  Call call = test_call(std::string(8, '\x7F'));
  call.deadline = Clock::now() + 10ms;
  calls_.run([&] { calls_.start("late", sleep, std::move(call)); });
  EXPECT_EQ(calls_.reason("late"), Reason::LimitWall);
}

TEST_F(Handed, CallsDoNotWaitForALoopThatStandsStill) {
  const auto echo = elsewhere("echo", {.concurrency = 64});
  for (const std::size_t stands : {0U, 1U}) {
    Blockage blockage;
    blockage.add(own_.loop(stands));
    Calls calls;
    calls.invoker = make_invoker(calls.loop, {&requests_, &answers_}, {.own = &own_});
    calls.run([&] {
      for (int i = 0; i < 20; ++i) {
        calls.start("a", echo, test_call("a"));
      }
    });
    EXPECT_EQ(calls.ended.size(), 20U);
    for (const Calls::Ended& one : calls.ended) {
      EXPECT_EQ(one.outcome.reason, Reason::Ok);
    }
    settle();
  }
}

TEST_F(Handed, CallsToWhichNoLoopComesEndAtTheirLimit) {
  const auto echo = elsewhere("echo", {.wall = 20ms});
  Blockage blockage;
  blockage.add(own_.loop(0));
  blockage.add(own_.loop(1));
  calls_.run([&] { calls_.start("late", echo, test_call(std::string(10'000, 'a'))); });
  EXPECT_EQ(calls_.reason("late"), Reason::LimitWall);
  EXPECT_EQ(calls_.find("late")->detail, "it may take 20ms");
  EXPECT_EQ(calls_.find("late")->record.input, Bytes{10'000});
  EXPECT_GE(calls_.find("late")->record.wall, 20ms);
  EXPECT_EQ(own_.live(), 0U) << "it never began, so nothing of it is left";
  EXPECT_EQ(echo->admission().running(), 0U);
  EXPECT_EQ(requests_.in_use(), Bytes{});
}

TEST_F(Handed, CallsToWhichNoLoopComesEndWithTheirCaller) {
  const auto echo = elsewhere("echo");
  const auto cancellation = std::make_shared<Cancellation>();
  Blockage blockage;
  blockage.add(own_.loop(0));
  blockage.add(own_.loop(1));
  Call call = test_call("a");
  call.cancellation = cancellation;
  calls_.run([&] {
    calls_.start("left", echo, std::move(call));
    calls_.loop.post([&] {
      cancellation->cancel(Reason::Cancelled);
      EXPECT_EQ(calls_.ended.size(), 1U);
      EXPECT_EQ(own_.live(), 0U);
    });
  });
  EXPECT_EQ(calls_.reason("left"), Reason::Cancelled);
  EXPECT_EQ(echo->admission().running(), 0U);
}

TEST_F(Handed, CallersAreAnsweredThoughTheLoopThatRunsTheirCallStandsStill) {
  const auto sleep = elsewhere("sleep", {.wall = 60s});
  const auto cancellation = std::make_shared<Cancellation>();
  Call call = test_call(std::string(8, '\x7F'));
  call.cancellation = cancellation;
  std::optional<Blockage> blockage;
  calls_.run([&] {
    calls_.start("left", sleep, std::move(call));
    calls_.loop.post([&] {
      while (own_.metrics(0).calls.value() + own_.metrics(1).calls.value() == 0) {
        std::this_thread::yield();
      }
      blockage.emplace();
      blockage->add(own_.loop(0));
      blockage->add(own_.loop(1));
      cancellation->cancel(Reason::Cancelled);
      EXPECT_TRUE(calls_.ended.empty()) << "its record is waited for a little";
    });
  });
  EXPECT_EQ(calls_.reason("left"), Reason::Cancelled);
  EXPECT_EQ(own_.live(), 1U);
  EXPECT_EQ(sleep->admission().running(), 1U) << "it has its slot until it ends";
  blockage->end();
  settle();
  EXPECT_EQ(sleep->admission().running(), 0U);
}

TEST_F(Handed, CallsThatWaitForAPipeEndAtTheirLimitAndLeaveTheirLoop) {
  ASSERT_EQ(::mkfifo((directory_.path() / "pipe").c_str(), 0600), 0);
  const auto files = with_directory({.wall = 50ms});
  calls_.run([&] {
    for (int i = 0; i < 4; ++i) {
      calls_.start("waits", files, test_call(kOpenPipe));
    }
  });
  for (const Calls::Ended& one : calls_.ended) {
    EXPECT_EQ(one.outcome.reason, Reason::LimitWall);
  }
  settle();
  EXPECT_EQ(files->admission().running(), 0U);
}

TEST_F(Handed, CallsThatWaitForAPipeEndWithTheirLoop) {
  ASSERT_EQ(::mkfifo((directory_.path() / "pipe").c_str(), 0600), 0);
  const auto files = with_directory({.wall = 60s});
  calls_.run([&] {
    calls_.start("waits", files, test_call(kOpenPipe));
    calls_.loop.post([&] {
      while (own_.live() > 0 && own_.metrics(0).calls.value() + own_.metrics(1).calls.value() == 0) {
        std::this_thread::yield();
      }
      own_.stop();
    });
  });
  EXPECT_NE(calls_.find("waits"), nullptr);
  EXPECT_EQ(own_.live(), 0U);
}

TEST_F(Handed, CallsOfALoopThatStopsEndAtOnce) {
  const auto sleep = elsewhere("sleep", {.wall = 60s});
  calls_.run([&] {
    for (int i = 0; i < 3; ++i) {
      calls_.start("sleeps", sleep, test_call(std::string(8, '\x7F')));
    }
    calls_.loop.post([&] {
      calls_.invoker->cancel_all(Reason::Draining);
      EXPECT_EQ(calls_.ended.size(), 3U);
      EXPECT_EQ(calls_.invoker->live(), 0U);
    });
  });
  EXPECT_EQ(calls_.reason("sleeps"), Reason::Draining);
  settle();
  EXPECT_EQ(sleep->admission().running(), 0U);
}

TEST_F(Handed, CallsEndWithTheirLoops) {
  const auto sleep = elsewhere("sleep", {.wall = 60s});
  calls_.run([&] {
    calls_.start("sleeps", sleep, test_call(std::string(8, '\x7F')));
    calls_.loop.post([&] { own_.stop(); });
  });
  EXPECT_EQ(calls_.reason("sleeps"), Reason::Draining);
  EXPECT_EQ(sleep->admission().running(), 0U);
}

TEST_F(Handed, CallsThatWaitForALoopEndWithThemToo) {
  const auto echo = elsewhere("echo");
  Blockage blockage;
  blockage.add(own_.loop(0));
  blockage.add(own_.loop(1));
  calls_.run([&] {
    calls_.start("waits", echo, test_call("a"));
    calls_.loop.post([&] {
      blockage.end();
      own_.stop();
      calls_.start("comes later", echo, test_call("a"));
    });
  });
  EXPECT_NE(calls_.find("waits"), nullptr);  // ended, or run by a loop that turned once more
  EXPECT_EQ(calls_.reason("comes later"), Reason::Draining);
  EXPECT_EQ(own_.live(), 0U);
  EXPECT_EQ(echo->admission().running(), 0U);
}

TEST_F(Handed, ManyLoopsMayHandOverAndLeaveAtOnce) {
  const auto echo = elsewhere("echo", {.concurrency = 24, .queue = 1000, .queue_wait = 60s});
  const auto sleep = elsewhere("sleep", {.wall = 60s, .concurrency = 24, .queue = 1000, .queue_wait = 60s});
  std::array<Calls, 3> homes;
  std::vector<std::thread> threads;
  for (Calls& calls : homes) {
    threads.emplace_back([&] {
      calls.invoker.reset();
      calls.invoker = make_invoker(calls.loop, {&requests_, &answers_}, {.own = &own_});
      std::vector<std::shared_ptr<Cancellation>> cancellations;
      calls.run([&] {
        for (int i = 0; i < 100; ++i) {
          calls.start("echo", echo, test_call("a"));
          Call call = test_call(std::string(8, '\x7F'));
          call.cancellation = cancellations.emplace_back(std::make_shared<Cancellation>());
          calls.start("sleep", sleep, std::move(call));
        }
        for (const auto& cancellation : cancellations) {  // waiting, on their way, or running
          calls.loop.post([cancellation] { cancellation->cancel(Reason::Cancelled); });
        }
      });
      EXPECT_EQ(calls.ended.size(), 200U);
      for (const Calls::Ended& one : calls.ended) {
        EXPECT_EQ(one.outcome.reason, one.name == "echo" ? Reason::Ok : Reason::Cancelled);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  settle();
  EXPECT_EQ(echo->admission().running() + sleep->admission().running(), 0U);
}

TEST_F(Handed, CgiCommandsAreToldTheirRequestThere) {
  Call call = test_call("Content-Type: text/plain\n\n");
  call.query = "a=b";
  calls_.run([&] { calls_.start("cgi", elsewhere("env", {}, Output::Cgi), std::move(call)); });
  ASSERT_EQ(calls_.reason("cgi"), Reason::Ok);
  EXPECT_NE(read_body(calls_.ended[0].outcome).find("QUERY_STRING=a=b"), std::string::npos);
}

}  // namespace
}  // namespace trilby::invoke
