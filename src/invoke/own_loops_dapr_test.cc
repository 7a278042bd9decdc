// What a guest on a loop of its own asks of Dapr: by the ways of that loop, and never by those of the one it came from.
#include <functional>
#include <optional>
#include <thread>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "dapr/app_ways.h"
#include "invoke/own_loops.h"
#include "invoke/test_calls.h"
#include "invoke/test_dapr.h"

namespace trilby::invoke {
namespace {

/// For tests/guests/dapr.wat.
const std::string kReadGranted(1, '\0');
const std::string kReadOther(1, '\x01');
const std::string kReadOwn(1, '\x07');

class HandedDapr : public ::testing::Test {
 protected:
  HandedDapr() {
    own_.emplace(1, [this](net::Loop& loop) {
      return make_admitted_invoker(loop, {&requests_, nullptr}, [this](std::string_view app_id) {
        looked_up_ = app_id;
        asked_on_ = std::this_thread::get_id();
        return app_id == ways_.app_id ? &ways_ : nullptr;
      });
    });
    calls_.invoker.reset();
    calls_.invoker = make_invoker(calls_.loop, {&requests_, nullptr}, {.own = &*own_});
  }
  ~HandedDapr() override {
    own_->stop();
    EXPECT_TRUE(home_blocks_.asked.empty());
    EXPECT_FALSE(home_invocation_.called);
    EXPECT_TRUE(blocks_.handle.expired());
    EXPECT_EQ(requests_.in_use(), Bytes{});
  }

  /// One with a folder, that may read and write store/granted and call billing/pay.
  [[nodiscard]] std::shared_ptr<const Function> function(const policy::Limits& limits = {}, bool granted = true) const {
    FunctionSpec spec = spec_of("asks", directory_.guest("dapr"), limits);
    spec.policy.grants.directories = {{directory_.path(), "/data", false}};
    if (granted) {
      grant_some(spec);
    }
    return prepare(std::move(spec), test_engine(), nullptr, nullptr).value();
  }
  [[nodiscard]] Call call(std::string input) const { return asking_call(std::move(input), home_ways_); }
  Outcome run(const std::shared_ptr<const Function>& what, Call made) {
    calls_.loop.context().restart();
    calls_.run([&] { calls_.start("it", what, std::move(made)); });
    while (own_->live() > 0) {
      std::this_thread::yield();
    }
    return std::move(calls_.ended.back().outcome);
  }
  Outcome run(std::string input) { return run(function(), call(std::move(input))); }
  /// From inside on_asked: on the same loop, later.
  void later(std::function<void()> work) { own_->loop(0).post(std::move(work)); }
  /// On the loop that handed the call over, once the guest waits.
  void on_home_once_asked(std::function<void()> work) {
    blocks_.on_asked = [this, work = std::move(work)] { calls_.loop.post(work); };
  }

  const wasm::TestDirectory directory_;
  BodyBudget requests_{64_MiB};
  FakeBlocks home_blocks_;
  FakeInvocation home_invocation_;
  const dapr::AppWays home_ways_{"shop", home_invocation_, &home_blocks_};
  FakeBlocks blocks_;
  FakeInvocation invocation_;
  dapr::AppWays ways_{"shop", invocation_, &blocks_};
  std::string looked_up_;
  std::thread::id asked_on_;
  dapr::BuildingBlocks::OnAnswer first_;  // of two that wait
  Calls calls_;                           // its loop outlives the other one
  std::optional<OwnLoops> own_;
};

TEST_F(HandedDapr, IsAskedThereForTheCallThatCameOver) {
  blocks_.on_asked = [&] { later([&] { blocks_.answer("{\"a\":1}"); }); };
  Outcome outcome = run(kReadGranted);
  ASSERT_EQ(outcome.reason, Reason::Ok) << outcome.message;
  EXPECT_EQ(read_body(outcome), "{\"a\":1}");
  EXPECT_EQ(blocks_.asked, std::vector<std::string>{"read store/granted"});
  EXPECT_EQ(blocks_.terms.trace.traceparent, "parent");
  EXPECT_EQ(looked_up_, "shop");
  EXPECT_NE(asked_on_, std::this_thread::get_id());
}

TEST_F(HandedDapr, IsAskedForFunctionsWithMuchMemoryToo) {
  const auto engine = wasm::Engine::create({.max_memory = 256_MiB, .max_calls = 2}).value();
  FunctionSpec spec = spec_of("asks", directory_.guest("dapr"), {.memory = 129_MiB});
  spec.policy.grants.dapr.state["store/granted"] = {.read = true, .write = false};
  blocks_.on_asked = [&] { later([&] { blocks_.answer("7"); }); };
  Outcome outcome = run(prepare(std::move(spec), *engine, nullptr, nullptr).value(), call(kReadGranted));
  EXPECT_EQ(read_body(outcome), "7") << outcome.message;
}

TEST_F(HandedDapr, IsDeniedAndCountedAsEverywhere) {
  Outcome outcome = run(kReadOther);
  EXPECT_EQ(outcome.reason, Reason::Denied);
  EXPECT_EQ(outcome.record.denials.of(Grant::DaprState), 1U);
  outcome = run(function({}, false), call(kReadGranted));
  EXPECT_EQ(outcome.reason, Reason::Denied);
  EXPECT_TRUE(blocks_.asked.empty());
}

TEST_F(HandedDapr, CallsAppsWithTheHopsOfTheCall) {
  invocation_.on_asked = [&] { later([&] { invocation_.answer("yes"); }); };
  Outcome outcome =
      run("\x03"
          "five euros");
  EXPECT_EQ(read_body(outcome), std::string("\xc8\0\0\0yes", 7)) << outcome.message;
  EXPECT_EQ(invocation_.app, "billing");
  EXPECT_EQ(invocation_.called->hops, 3U);
  EXPECT_EQ(invocation_.called->caller, "shop");
  EXPECT_EQ(invocation_.called->id, "test-0123456789abcdef");
  EXPECT_EQ(invocation_.called->trace.traceparent, "parent");
}

TEST_F(HandedDapr, HasTheStateOfTheActorThatItIsCalledAs) {
  blocks_.on_asked = [&] { later([&] { blocks_.answer("7"); }); };
  Call made = call(kReadOwn);
  made.actor = std::make_shared<const ActorTurn>(ActorTurn{"Counter", "a b", "chain"});
  Outcome outcome = run(function({}, false), std::move(made));
  EXPECT_EQ(read_body(outcome), "7") << outcome.message;
  EXPECT_EQ(blocks_.asked, std::vector<std::string>{"read Counter/a b/granted"});
  outcome = run(function(), call(kReadOwn));
  EXPECT_EQ(outcome.reason, Reason::Denied) << "called as none";
  EXPECT_EQ(outcome.record.denials.of(Grant::DaprActorState), 1U);
}

TEST_F(HandedDapr, IsToldWhenThereIsNobodyToAsk) {
  Call made = call(kReadGranted);
  made.ways = nullptr;
  EXPECT_EQ(run(function(), std::move(made)).message, "it exited with 7");
  EXPECT_EQ(looked_up_, "");
  const dapr::AppWays unknown{"other", home_invocation_, &home_blocks_};
  made = call(kReadGranted);
  made.ways = &unknown;
  EXPECT_EQ(run(function(), std::move(made)).message, "it exited with 7");
  EXPECT_EQ(looked_up_, "other");
  ways_.blocks = nullptr;
  EXPECT_EQ(run(kReadGranted).message, "it exited with 7");
}

TEST_F(HandedDapr, MayNotBeAskedWithoutEnd) {
  blocks_.on_asked = [&] { later([&] { blocks_.answer("1"); }); };
  const Outcome outcome = run(function({.host_calls_per_second = 20}), call("\x02"));
  EXPECT_EQ(outcome.reason, Reason::LimitCalls);
  EXPECT_GE(blocks_.asked.size(), 20U);
}

TEST_F(HandedDapr, IsGivenUpWhenTheCallerLeaves) {
  Call made = call(kReadGranted);
  const auto cancellation = made.cancellation = std::make_shared<Cancellation>();
  on_home_once_asked([&] { cancellation->cancel(Reason::Cancelled); });
  EXPECT_EQ(run(function({.wall = 60s}), std::move(made)).reason, Reason::Cancelled);
}

TEST_F(HandedDapr, IsGivenUpAtTheWallTimeAndAtTheCallersDeadline) {
  constexpr auto kEnoughToAsk = 2s;  // on a busy machine
  Outcome outcome = run(function({.wall = kEnoughToAsk}), call(kReadGranted));
  EXPECT_EQ(outcome.reason, Reason::LimitWall);
  EXPECT_EQ(blocks_.asked.size(), 1U);
  EXPECT_TRUE(blocks_.handle.expired());
  outcome = run(function({.wall = kEnoughToAsk}), call("\x03"));
  EXPECT_EQ(outcome.reason, Reason::LimitWall);
  ASSERT_TRUE(invocation_.called);
  EXPECT_TRUE(invocation_.called->cancellation->cancelled());
  Call made = call(kReadGranted);
  made.deadline = Clock::now() + 20ms;
  EXPECT_EQ(run(function({.wall = 60s}), std::move(made)).reason, Reason::LimitWall);
}

/// The order to end comes behind what the loop has to do yet, as where a disk has held it.
TEST_F(HandedDapr, IsAskedNothingMoreOnceTheCallersTimeIsOver) {
  Call made = call("\x02");  // asks again and again
  const auto deadline = made.deadline = Clock::now() + 1s;
  blocks_.on_asked = [&] {
    later([&] { blocks_.answer("1"); });
    std::this_thread::sleep_until(deadline + 1ms);
  };
  const Outcome outcome = run(function({.wall = 60s}), std::move(made));
  EXPECT_EQ(outcome.reason, Reason::LimitWall);
  EXPECT_EQ(outcome.detail, "the caller gave it no more time");
  EXPECT_EQ(blocks_.asked.size(), 1U);
}

TEST_F(HandedDapr, IsGivenUpWhenItsLoopEnds) {
  on_home_once_asked([&] { own_->stop(); });
  EXPECT_EQ(run(function({.wall = 60s}), call(kReadGranted)).reason, Reason::Draining);
}

TEST_F(HandedDapr, IsGivenUpWhenTheLoopEndsThatHandedItOver) {
  on_home_once_asked([&] { calls_.invoker->cancel_all(Reason::Draining); });
  EXPECT_EQ(run(function({.wall = 60s}), call(kReadGranted)).reason, Reason::Draining);
}

TEST_F(HandedDapr, HoldsUpNoOtherCallOfItsLoop) {
  const auto asks = function({.wall = 60s});
  blocks_.on_asked = [&] {
    if (blocks_.asked.size() == 1) {
      first_ = std::exchange(blocks_.waiting, nullptr);
      return;
    }
    later([&] {
      blocks_.answer("2");
      std::exchange(first_, nullptr)(std::optional(WholeBody{"1", {}}));
    });
  };
  calls_.run([&] {
    calls_.start("one", asks, call(kReadGranted));
    calls_.start("two", asks, call(kReadGranted));
  });
  ASSERT_EQ(calls_.ended.size(), 2U);
  for (Calls::Ended& one : calls_.ended) {
    EXPECT_EQ(one.outcome.reason, Reason::Ok) << one.outcome.message;
  }
  EXPECT_EQ(blocks_.asked.size(), 2U);
}

}  // namespace
}  // namespace trilby::invoke
