// Calls that compute and go to another loop that serves: which ones do, and that they are there what they are at home.
#include "invoke/sibling_loops.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "dapr/app_ways.h"
#include "invoke/function.h"
#include "invoke/test_calls.h"
#include "invoke/test_dapr.h"

namespace trilby::invoke {
namespace {

/// For tests/guests/dapr.wat.
const std::string kReadGranted(1, '\0');

/// Two loops that serve: home, in the test's thread, and another.
class Siblings : public ::testing::Test {
 protected:
  Siblings() {
    calls_.invoker.reset();
    calls_.invoker = make_invoker(calls_.loop, {&requests_, nullptr}, {.siblings = &siblings_, .sent = &sent_});
    other_ =
        make_invoker(*loop_, {&requests_, nullptr}, {.siblings = &siblings_, .ways = [this](std::string_view app_id) {
                                                       EXPECT_TRUE(loop_->in_loop_thread());
                                                       return app_id == ways_.app_id ? &ways_ : nullptr;
                                                     }});
    thread_ = std::thread([this] {
      loop_->run();
      other_->cancel_all(Reason::Draining);
    });
  }
  ~Siblings() override {
    stop_other();
    other_.reset();
    loop_.reset();  // and what it has not come to
    EXPECT_EQ(siblings_.calls(kHome) + siblings_.calls(kOther), 0U);
    EXPECT_EQ(requests_.in_use(), Bytes{});
  }

  void stop_other() {
    loop_->stop();
    if (thread_.joinable()) {
      thread_.join();
    }
  }
  [[nodiscard]] std::shared_ptr<const Function> asking(Duration wall = 60s) const {
    FunctionSpec spec = spec_of("asks", directory_.guest("dapr"), {.wall = wall});
    grant_some(spec);
    return prepare(std::move(spec), test_engine(), nullptr, nullptr).value();
  }
  /// Runs calls beside one that computes at home until they have ended.
  void run_beside_one(const std::function<void()>& begin) {
    Call long_one = test_call();
    const auto enough = long_one.cancellation = std::make_shared<Cancellation>();
    calls_.on_end = [this, enough](const std::string& /*name*/) {
      if (calls_.open == 2) {
        calls_.later([enough] { enough->cancel(Reason::Cancelled); });
      }
    };
    calls_.run([&] {
      calls_.start("long", spin_, std::move(long_one));
      calls_.later(begin);
    });
    EXPECT_EQ(calls_.reason("long"), Reason::Cancelled);
  }
  /// One call beside another that computes at home.
  const Outcome& run_second(const std::shared_ptr<const Function>& function, Call call) {
    run_beside_one([&] { calls_.start("second", function, std::move(call)); });
    return *calls_.find("second");
  }
  /// In a turn of the other loop.
  void on_other(std::function<void()> work) { loop_->post(std::move(work)); }

  static constexpr std::size_t kHome = 0;
  static constexpr std::size_t kOther = 1;

  const wasm::TestDirectory directory_;
  const std::shared_ptr<const Function> spin_ = test_function("spin", {.cpu = 60s, .wall = 60s});
  BodyBudget requests_{64_MiB};
  FakeBlocks blocks_;
  FakeInvocation invocation_;
  const dapr::AppWays ways_{"shop", invocation_, &blocks_};
  FakeBlocks home_blocks_;
  FakeInvocation home_invocation_;
  const dapr::AppWays home_ways_{"shop", home_invocation_, &home_blocks_};
  observe::Counter sent_;
  SiblingLoops siblings_;
  Calls calls_;
  std::optional<net::Loop> loop_{std::in_place};
  std::unique_ptr<Invoker> other_;
  std::thread thread_;
};

TEST_F(Siblings, ChooseTheLoopWithTheFewestAndHomeAmongEquals) {
  EXPECT_EQ(siblings_.choose(kHome), kHome);
  const Load first = siblings_.load(kHome);
  EXPECT_EQ(siblings_.choose(kHome), kOther);
  EXPECT_EQ(siblings_.choose(kOther), kOther);
  {
    Load second = siblings_.load(kOther);
    const Load third(std::move(second));
    EXPECT_EQ(siblings_.calls(kOther), 1U) << "one call, wherever its load is";
    EXPECT_EQ(siblings_.choose(kHome), kHome);
  }
  EXPECT_EQ(siblings_.choose(kHome), kOther);
}

TEST_F(Siblings, LeaveACallThatIsAloneWhereItIs) {
  for (int i = 0; i < 3; ++i) {
    calls_.loop.context().restart();
    calls_.run([&] { calls_.start("it", test_function("echo"), test_call("abc")); });
  }
  EXPECT_EQ(sent_.value(), 0U);
}

TEST_F(Siblings, TakeACallFromALoopWhereAnotherComputes) {
  const Outcome& outcome = run_second(test_function("spin", {.cpu = 20ms}), test_call());
  EXPECT_EQ(outcome.reason, Reason::LimitCpu);
  EXPECT_GE(outcome.record.cpu, 20ms);
  EXPECT_EQ(outcome.function, "spin");
  EXPECT_EQ(outcome.call_id, "test-0123456789abcdef");
  EXPECT_EQ(sent_.value(), 1U);
}

TEST_F(Siblings, HaveAsManyCallsEach) {
  std::vector<std::shared_ptr<Cancellation>> each;
  const std::function<void()> look = [&] {
    if (siblings_.calls(kHome) + siblings_.calls(kOther) < 4U) {
      return calls_.later(look);
    }
    EXPECT_EQ(siblings_.calls(kHome), 2U);
    for (const auto& one : each) {
      one->cancel(Reason::Cancelled);
    }
  };
  calls_.run([&] {
    for (const char* name : {"a", "b", "c", "d"}) {
      Call call = test_call();
      call.cancellation = each.emplace_back(std::make_shared<Cancellation>());
      calls_.start(name, spin_, std::move(call));
    }
    calls_.later(look);
  });
  EXPECT_EQ(sent_.value(), 2U);
}

TEST_F(Siblings, GiveTheAnswersOfTheCallsThatTheyTook) {
  const auto echo = test_function("echo");
  run_beside_one([&] {
    for (const char* name : {"a", "b", "c"}) {
      calls_.start(name, echo, test_call(name));
    }
  });
  for (Calls::Ended& one : calls_.ended) {
    if (one.name != "long") {
      EXPECT_EQ(read_body(one.outcome), one.name) << one.outcome.message;
      EXPECT_EQ(one.outcome.record.input, Bytes{1});
    }
  }
  EXPECT_GE(sent_.value(), 1U);
}

TEST_F(Siblings, DoNotTakeCallsThatAreShort) {
  const auto echo = test_function("echo");
  constexpr int kUntilItCountsAsShort = 100;
  for (int i = 0; i < kUntilItCountsAsShort; ++i) {
    calls_.loop.context().restart();
    calls_.run([&] { calls_.start("it", echo, test_call()); });
  }
  ASSERT_FALSE(echo->prepared().history().may_be_long());
  calls_.loop.context().restart();
  EXPECT_EQ(run_second(echo, test_call()).reason, Reason::Ok);
  EXPECT_EQ(sent_.value(), 0U);
}

TEST_F(Siblings, GiveBackWhatTheCallHad) {
  const auto one_at_a_time = test_function("spin", {.cpu = 5ms, .concurrency = 1, .queue = 8});
  run_beside_one([&] {
    for (const char* name : {"a", "b", "c"}) {
      calls_.start(name, one_at_a_time, test_call("input"));
    }
  });
  for (const char* name : {"a", "b", "c"}) {
    EXPECT_EQ(calls_.reason(name), Reason::LimitCpu) << "each had its slot";
  }
  EXPECT_EQ(one_at_a_time->admission().running(), 0U);
}

TEST_F(Siblings, AskDaprByTheirOwnWays) {
  blocks_.on_asked = [&] {
    EXPECT_TRUE(loop_->in_loop_thread());
    on_other([&] { blocks_.answer("{\"a\":1}"); });
  };
  const Outcome& outcome = run_second(asking(), asking_call(kReadGranted, home_ways_));
  EXPECT_EQ(outcome.reason, Reason::Ok) << outcome.message;
  EXPECT_EQ(blocks_.asked, std::vector<std::string>{"read store/granted"});
  EXPECT_EQ(blocks_.terms.trace.traceparent, "parent");
  EXPECT_TRUE(home_blocks_.asked.empty());
}

TEST_F(Siblings, TellAppsOfTheSameProcessWhoSentIt) {
  std::string peer;
  invocation_.on_asked = [&] {
    peer = invocation_.called->peer;
    on_other([&] { invocation_.answer("yes"); });
  };
  Call call = asking_call("\x03", home_ways_);
  call.peer = "192.0.2.1:4021";
  EXPECT_EQ(run_second(asking(), std::move(call)).reason, Reason::Ok);
  EXPECT_EQ(peer, "192.0.2.1:4021");
  EXPECT_EQ(invocation_.called->hops, 3U);
  EXPECT_FALSE(home_invocation_.called);
}

TEST_F(Siblings, EndACallWhoseCallerLeaves) {
  Call call = asking_call(kReadGranted, home_ways_);
  const auto cancellation = call.cancellation = std::make_shared<Cancellation>();
  blocks_.on_asked = [&] { calls_.later([&] { cancellation->cancel(Reason::Cancelled); }); };
  EXPECT_EQ(run_second(asking(), std::move(call)).reason, Reason::Cancelled);
  EXPECT_TRUE(blocks_.handle.expired());
}

TEST_F(Siblings, EndACallAtItsWallTimeAndAtItsCallersDeadline) {
  const Outcome& late = run_second(asking(100ms), asking_call(kReadGranted, home_ways_));
  EXPECT_EQ(late.reason, Reason::LimitWall);
  EXPECT_EQ(late.detail, "it may take 100ms");
  calls_.loop.context().restart();
  calls_.ended.clear();
  Call call = asking_call(kReadGranted, home_ways_);
  call.deadline = Clock::now() + 100ms;
  const Outcome& later = run_second(asking(), std::move(call));
  EXPECT_EQ(later.reason, Reason::LimitWall);
  EXPECT_EQ(later.detail, "the caller gave it no more time");
}

TEST_F(Siblings, DoNotKeepTheCallerWaitingWhereOneStandsStill) {
  Blockage blockage;
  blockage.add(*loop_);
  const auto asks = asking(50ms);
  EXPECT_EQ(run_second(asks, asking_call(kReadGranted, home_ways_)).message, "the loop that runs it does not answer");
  EXPECT_EQ(asks->admission().running(), 1U) << "it is there yet";
  blockage.end();
  while (asks->admission().running() > 0) {
    std::this_thread::yield();
  }
}

TEST_F(Siblings, EndWhatTheyHaveTakenWhenTheyStop) {
  blocks_.on_asked = [&] { on_other([&] { other_->cancel_all(Reason::Draining); }); };
  EXPECT_EQ(run_second(asking(), asking_call(kReadGranted, home_ways_)).reason, Reason::Draining);
}

TEST_F(Siblings, EndWhatTheyHaveTakenWhenHomeStops) {
  const auto asks = asking();
  blocks_.on_asked = [&] { calls_.later([&] { calls_.invoker->cancel_all(Reason::Draining); }); };
  calls_.run([&] {
    calls_.start("long", spin_, test_call());
    calls_.start("second", asks, asking_call(kReadGranted, home_ways_));
  });
  EXPECT_EQ(calls_.reason("long"), Reason::Draining);
  EXPECT_EQ(calls_.reason("second"), Reason::Draining);
  while (asks->admission().running() > 0) {
    std::this_thread::yield();
  }
}

TEST_F(Siblings, ForgetWhatTheyHadNotComeToWhenTheyStop) {
  Blockage blockage;
  blockage.add(*loop_);
  const auto echo = test_function("echo");
  calls_.run([&] {
    calls_.start("long", spin_, test_call());
    calls_.start("second", echo, test_call("input"));
    calls_.loop.post([&] { calls_.later([&] { calls_.invoker->cancel_all(Reason::Draining); }); });
  });
  EXPECT_EQ(sent_.value(), 1U);
  EXPECT_EQ(calls_.reason("second"), Reason::Draining);
  loop_->stop();
  blockage.end();
}

}  // namespace
}  // namespace trilby::invoke
