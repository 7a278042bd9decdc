#include "invoke/invoker.h"

#include <cstring>
#include <fstream>
#include <functional>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

#include "invoke/test_calls.h"

namespace trilby::invoke {
namespace {

Outcome call(const std::shared_ptr<const Function>& function, std::string input = {}) {
  return run_once(function, test_call(std::move(input)));
}

policy::Limits with_memory(Bytes memory) {
  policy::Limits limits;
  limits.memory = memory;
  return limits;
}

policy::Limits with_cpu(Duration cpu) {
  policy::Limits limits;
  limits.cpu = cpu;
  return limits;
}

std::string eight_bytes(std::uint64_t number) {
  std::string text(sizeof number, '\0');
  std::memcpy(text.data(), &number, sizeof number);
  return text;
}
const std::string kForever = eight_bytes(~0ULL);

TEST(Command, AnswersWithItsStandardOutput) {
  Outcome outcome = call(test_function("echo"), "hello");
  EXPECT_EQ(outcome.reason, Reason::Ok);
  EXPECT_EQ(outcome.status, 200);
  EXPECT_EQ(*outcome.fields.find("content-type"), "application/octet-stream");
  EXPECT_EQ(read_body(outcome), "hello");
  EXPECT_EQ(outcome.function, "echo");
}

TEST(Command, HasARecordOfWhatItCost) {
  const Outcome outcome = call(test_function("echo"), "hello");
  const Record& record = outcome.record;
  EXPECT_GT(record.instantiate, 0ns);
  EXPECT_GT(record.cpu, 0ns);
  EXPECT_GE(record.wall, record.instantiate);
  EXPECT_EQ(record.queued, 0ns);
  EXPECT_EQ(record.memory_peak, 128_KiB);
  EXPECT_EQ(record.memory_limit, 64_MiB);
  EXPECT_EQ(record.input, Bytes{5});
  EXPECT_EQ(record.output, Bytes{5});
  EXPECT_EQ(record.denials.total(), 0U);
}

TEST(Command, IsToldAnEventInItsEnvironment) {
  Call call = test_call("data");
  call.variables = {{"CE_ID", "7"}, {"CE_TYPE", ""}};
  Outcome outcome = run_once(test_function("env"), std::move(call));
  EXPECT_EQ(outcome.reason, Reason::Ok) << outcome.message;
  EXPECT_EQ(read_body(outcome), std::string("dataCE_ID=7\0CE_TYPE=\0", 21));
}

TEST(Command, IsNotToldMoreThanAGuestMayBe) {
  Call call = test_call();
  call.variables.add("CE_SUBJECT", std::string(policy::kMaxEnvironment, 'x'));
  EXPECT_EQ(run_once(test_function("env"), std::move(call)).reason, Reason::HeadTooLarge);
}

TEST(Command, ReadsALargeBodyWhole) {
  std::string input(3'000'000, 'x');
  input.back() = 'y';
  Outcome outcome = call(test_function("echo"), input);
  EXPECT_EQ(read_body(outcome), input);
}

TEST(Command, IsSniffedOnlyWhenTheManifestSaysSo) {
  const wasm::TestDirectory directory;
  FunctionSpec spec = spec_of("echo", directory.guest("echo"));
  spec.content_type = "sniff";
  const auto function = prepare(std::move(spec), test_engine(), nullptr, nullptr).value();
  EXPECT_EQ(*call(function, "{\"a\":1}").fields.find("content-type"), "application/json");
}

TEST(Command, ExitsAsTheTableSays) {
  const auto function = test_function("exit");
  EXPECT_EQ(call(function, std::string(1, '\0')).reason, Reason::Ok);
  EXPECT_EQ(call(function, "\x01").reason, Reason::FunctionFailed);
  const Outcome bad_input = call(function, "\x41");
  EXPECT_EQ(bad_input.reason, Reason::BadInput);
  EXPECT_EQ(bad_input.status, 422);
  EXPECT_EQ(bad_input.detail, "no good");
  EXPECT_EQ(bad_input.body, nullptr);
}

TEST(Command, TrapsWithoutTellingTheCallerMore) {
  for (const char* guest : {"unreachable", "recurse", "throw"}) {
    const Outcome outcome = call(test_function(guest));
    EXPECT_EQ(outcome.reason, Reason::Trap) << guest;
    EXPECT_EQ(outcome.detail, "") << guest;
    EXPECT_FALSE(outcome.message.empty()) << guest;
  }
  EXPECT_NE(call(test_function("unreachable")).message.find("named_in_the_log"), std::string::npos);
}

TEST(Command, IsOfferedAllOfWasiAndRefusedWhatItMayNot) {
  Outcome outcome = call(test_function("wasi"));
  EXPECT_EQ(outcome.reason, Reason::Ok) << outcome.message;
  EXPECT_EQ(read_body(outcome), "fine");
  EXPECT_EQ(outcome.record.denials.of(Grant::Directory), 10U);
  EXPECT_EQ(outcome.record.denials.of(Grant::Socket), 4U);
}

TEST(Memory, GrownOverTheLimitIsLimitMemory) {
  const Outcome outcome = call(test_function("grow", with_memory(1_MiB)));
  EXPECT_EQ(outcome.reason, Reason::LimitMemory);
  EXPECT_EQ(outcome.record.memory_peak, 1_MiB);
  EXPECT_EQ(outcome.detail, "it may use 1MiB");
}

TEST(Memory, DeniedGrowthIsNoFailureOfItself) {
  const auto function = test_function("grow", with_memory(1_MiB));
  EXPECT_EQ(call(function, std::string(1, '\0')).reason, Reason::Ok);
  EXPECT_EQ(call(function, "\x41").reason, Reason::BadInput);
  EXPECT_EQ(call(function, "\x02").reason, Reason::LimitMemory);
}

TEST(Memory, TablesAreBoundedToo) {
  EXPECT_EQ(call(test_function("grow_table")).reason, Reason::LimitMemory);
}

TEST(Memory, TablesMayHoldExactlyTheirLimitTogether) {
  policy::Limits limits;
  limits.table_elements = 1000;
  EXPECT_EQ(call(test_function("grow_tables", limits)).reason, Reason::Ok);
  limits.table_elements = 999;
  EXPECT_EQ(call(test_function("grow_tables", limits)).reason, Reason::LimitMemory);
  limits.table_elements = 1001;
  EXPECT_EQ(call(test_function("grow_tables", limits)).reason, Reason::Trap)
      << "one more went, which it does not expect";
}

std::string four_bytes(std::uint32_t number) {
  std::string text(sizeof number, '\0');
  std::memcpy(text.data(), &number, sizeof number);
  return text;
}

TEST(Stack, IsAsLargeAsTheLimitSays) {
  constexpr std::uint32_t kShallow = 100;
  constexpr std::uint32_t kMedium = 5'000;  // of frames that take 16 to 80 bytes each
  constexpr std::uint32_t kDeep = 100'000;
  const auto reasons_with = [](Bytes stack) {
    const auto engine = wasm::Engine::create({.max_memory = 64_MiB, .max_calls = 2, .stack = stack}).value();
    policy::Limits limits;
    limits.stack = stack;
    const auto function = test_function("deep", limits, *engine);
    std::vector<Reason> reasons;
    for (const std::uint32_t depth : {kShallow, kMedium, kDeep}) {
      Outcome outcome = call(function, four_bytes(depth));
      EXPECT_EQ(read_body(outcome), outcome.reason == Reason::Ok ? "deep" : "");
      reasons.push_back(outcome.reason);
    }
    return reasons;
  };
  EXPECT_EQ(reasons_with(64_KiB), (std::vector{Reason::Ok, Reason::Trap, Reason::Trap}));
  EXPECT_EQ(reasons_with(512_KiB), (std::vector{Reason::Ok, Reason::Ok, Reason::Trap}));
  EXPECT_EQ(reasons_with(8_MiB), (std::vector{Reason::Ok, Reason::Ok, Reason::Ok}));
}

TEST(Memory, IsFreshForEveryCall) {
  const auto function = test_function("canary");
  for (int i = 0; i < 20; ++i) {
    const Outcome outcome = call(function);
    ASSERT_EQ(outcome.reason, Reason::Ok) << outcome.message;
  }
}

TEST(Memory, IsFreshAfterACallThatWasStopped) {
  const auto function = test_function("canary");
  for (const char* guest : {"grow", "fill", "unreachable"}) {
    ASSERT_NE(call(test_function(guest, with_cpu(1ms))).reason, Reason::Ok);
    ASSERT_EQ(call(function).reason, Reason::Ok) << guest;
  }
}

TEST(Cpu, EndlessLoopsEndAndOthersGoOnMeanwhile) {
  for (const char* guest : {"spin", "spin_in_start", "fill"}) {
    const auto busy = test_function(guest, with_cpu(300ms));
    const auto echo = test_function("echo");
    Calls calls;
    calls.run([&] {
      calls.start("busy", busy, test_call());
      calls.start("echo", echo, test_call("a"));
    });
    EXPECT_EQ(calls.ended.front().name, "echo") << guest;
    EXPECT_EQ(calls.reason("echo"), Reason::Ok) << guest;
    EXPECT_EQ(calls.reason("busy"), Reason::LimitCpu) << guest;
    EXPECT_GE(calls.find("busy")->record.cpu, 300ms) << guest;
  }
}

/// How often the loop had other work done until all that `start` began had ended.
int turns_while(Calls& calls, const std::function<void()>& start) {
  int turns = 0;
  std::function<void()> turn = [&] {
    ++turns;
    calls.loop.post(turn);
  };
  calls.run([&] {
    start();
    turn();
  });
  return turns;
}

/// The clock only looks now and then while guests are short. One that is not gives way all the same, and then at each
/// tick.
TEST(Cpu, AGuestThatWasShortUntilNowGivesWayToo) {
  constexpr auto kCpu = 1s;  // of so many ticks some may come late
  const auto function = test_function("spin_if_told", with_cpu(kCpu));
  const auto echo = test_function("echo");
  for (const auto& each : {function, echo}) {
    for (int calls = 0; each->prepared().history().may_be_long(); ++calls) {
      ASSERT_LT(calls, 10'000);
      ASSERT_EQ(call(each).reason, Reason::Ok);
    }
  }
  std::this_thread::sleep_for(300ms);  // until the clock, which ticked for these, no longer does
  Calls calls;
  const int turns = turns_while(calls, [&] {
    calls.start("busy", function, test_call("spin"));
    calls.start("echo", echo, test_call("a"));
  });
  EXPECT_EQ(calls.ended.front().name, "echo");
  EXPECT_EQ(calls.reason("busy"), Reason::LimitCpu);
  EXPECT_GT(turns, 4 * (kCpu / wasm::kWatchedTick)) << "a slice takes two turns of the loop";
  EXPECT_TRUE(function->prepared().history().may_be_long());
}

TEST(Cpu, HostCallsCount) {
  for (const char which : {'\0', '\1', '\2', '\3'}) {
    const auto busy = test_function("host_calls", with_cpu(300ms));
    const auto echo = test_function("echo");
    Calls calls;
    calls.run([&] {
      calls.start("busy", busy, test_call(std::string(1, which)));
      calls.start("echo", echo, test_call("a"));
    });
    EXPECT_EQ(calls.ended.front().name, "echo") << int{which};
    EXPECT_EQ(calls.reason("busy"), Reason::LimitCpu) << int{which};
  }
}

TEST(Cpu, ALongRandomRequestYields) {
  const auto random = test_function("random", with_cpu(10s));
  const auto echo = test_function("echo");
  Calls calls;
  calls.run([&] {
    calls.start("random", random, test_call());
    calls.start("echo", echo, test_call("a"));
  });
  EXPECT_EQ(calls.ended.front().name, "echo");
  EXPECT_EQ(calls.reason("random"), Reason::Ok);
}

TEST(Fairness, GuestsThatYieldTakeOneTurnOfTheLoopEach) {
  // Each asks for 16 MiB of random bytes, which are 256 steps with a yield between them.
  constexpr int kSteps = 256;
  constexpr int kGuests = 4;
  const auto function = test_function("random", with_cpu(1min));
  Calls calls;
  const int turns = turns_while(calls, [&] {
    for (int i = 0; i < kGuests; ++i) {
      calls.start("random", function, test_call());
    }
  });
  EXPECT_EQ(calls.ended.size(), std::size_t{kGuests});
  EXPECT_GE(turns, kGuests * (kSteps - 4)) << "other work had its turn between two steps, whoever made them";
}

TEST(Wall, ASleeperWakesUp) {
  Outcome outcome = call(test_function("sleep"), eight_bytes(2'000'000));
  EXPECT_EQ(outcome.reason, Reason::Ok) << outcome.message;
  EXPECT_EQ(read_body(outcome), "awake");
  EXPECT_GE(outcome.record.wall, 2ms);
}

TEST(Wall, SleepingForeverEndsAtTheLimit) {
  policy::Limits limits;
  limits.wall = 20ms;
  const Outcome outcome = call(test_function("sleep", limits), kForever);
  EXPECT_EQ(outcome.reason, Reason::LimitWall);
  EXPECT_GE(outcome.record.wall, 20ms);
  EXPECT_LT(outcome.record.cpu, 20ms);
}

TEST(Wall, BeginsWithTheSlotAndNotInTheQueue) {
  policy::Limits limits;
  limits.concurrency = 1;
  limits.wall = 20ms;
  const auto function = test_function("sleep", limits);
  Calls calls;
  calls.run([&] {
    calls.start("runs", function, test_call(kForever));
    calls.start("waits", function, test_call(eight_bytes(0)));
  });
  EXPECT_EQ(calls.reason("runs"), Reason::LimitWall);
  EXPECT_EQ(calls.reason("waits"), Reason::Ok) << "it waited for as long as it may run";
  EXPECT_GT(calls.find("waits")->record.queued, 0ns);
  EXPECT_GT(calls.find("waits")->record.wall, 0ns);
}

TEST(Wall, TheCallersDeadlineMayBeEarlier) {
  for (const char* guest : {"sleep", "spin"}) {
    Call call = test_call(kForever);
    call.deadline = Clock::now() + 5ms;
    const Outcome outcome = run_once(test_function(guest, with_cpu(1min)), std::move(call));
    EXPECT_EQ(outcome.reason, Reason::LimitWall) << guest;
    EXPECT_EQ(outcome.detail, "the caller gave it no more time") << guest;
  }
}

TEST(Wall, TheCallersDeadlineIsNeverLater) {
  policy::Limits limits;
  limits.wall = 20ms;
  Call call = test_call(kForever);
  call.deadline = Clock::now() + 1h;
  const Outcome outcome = run_once(test_function("sleep", limits), std::move(call));
  EXPECT_EQ(outcome.reason, Reason::LimitWall);
  EXPECT_EQ(outcome.detail, "it may take 20ms");
}

TEST(Output, OverTheLimitIsLimitOutput) {
  policy::Limits limits;
  limits.response_body = 128_KiB;
  const auto function = test_function("flood", limits);
  EXPECT_EQ(call(function, "\x01\x02").record.output, 128_KiB);
  EXPECT_EQ(call(function, "\x01\x03").reason, Reason::LimitOutput);
  EXPECT_EQ(call(function, "\x01\xff").reason, Reason::LimitOutput);
}

TEST(Output, StandardErrorIsCutAndCosts) {
  const auto function = test_function("flood", with_cpu(50ms));
  EXPECT_EQ(call(function, "\x02\x03").reason, Reason::Ok);
  EXPECT_EQ(call(function, "\x02\xff").reason, Reason::LimitCpu);
}

TEST(Body, OverTheLimitIsRefused) {
  policy::Limits limits;
  limits.request_body = Bytes{4};
  const Outcome outcome = call(test_function("echo", limits), "hello");
  EXPECT_EQ(outcome.reason, Reason::BodyTooLarge);
  EXPECT_EQ(outcome.detail, "it may have 4B");
}

/// A body that comes when the test says so.
class SlowBody final : public BodySource {
 public:
  void read(OnChunk on_chunk) override { reader = std::move(on_chunk); }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return std::nullopt; }
  OnChunk reader;
};

TEST(Body, ThatComesSlowlyTakesNoSlot) {
  policy::Limits limits;
  limits.concurrency = 1;
  limits.queue = 0;
  const auto function = test_function("echo", limits);
  Calls calls;
  Call slow = test_call();
  auto body = std::make_unique<SlowBody>();
  SlowBody& sender = *body;
  slow.body = std::move(body);
  calls.on_end = [&](const std::string& name) {
    if (name == "quick") {
      sender.reader(BodySource::Chunk{"slow", true});
    }
  };
  calls.run([&] {
    calls.start("slow", function, std::move(slow));
    calls.start("quick", function, test_call("quick"));
  });
  EXPECT_EQ(calls.reason("quick"), Reason::Ok);
  EXPECT_EQ(calls.reason("slow"), Reason::Ok);
}

TEST(Body, ThatFailsEndsTheCallWithItsReason) {
  Calls calls;
  Call slow = test_call();
  auto body = std::make_unique<SlowBody>();
  SlowBody& sender = *body;
  slow.body = std::move(body);
  calls.run([&] {
    calls.start("slow", test_function("echo"), std::move(slow));
    calls.later([&] { sender.reader(fail(Reason::RequestTimeout, "no byte for 30s")); });
  });
  EXPECT_EQ(calls.reason("slow"), Reason::RequestTimeout);
}

TEST(Wall, TheCallersDeadlineHoldsForTheBodyAndTheQueueToo) {
  policy::Limits limits;
  limits.concurrency = 1;
  const auto function = test_function("sleep", limits);
  Calls calls;
  calls.on_end = [&](const std::string& /*name*/) {
    if (calls.ended.size() == 2) {
      calls.invoker->cancel_all(Reason::Draining);
    }
  };
  calls.run([&] {
    Call slow = test_call();
    slow.body = std::make_unique<SlowBody>();
    slow.deadline = Clock::now() + 5ms;
    calls.start("sends", function, std::move(slow));
    calls.start("runs", function, test_call(kForever));
    Call waits = test_call(kForever);
    waits.deadline = Clock::now() + 5ms;
    calls.start("waits", function, std::move(waits));
  });
  EXPECT_EQ(calls.reason("sends"), Reason::LimitWall);
  EXPECT_EQ(calls.reason("waits"), Reason::LimitWall);
  EXPECT_EQ(calls.reason("runs"), Reason::Draining);
}

TEST(Budget, ABodyWithoutRoomIsOverload) {
  BodyBudget requests(Bytes{10'000});
  const auto function = test_function("echo");
  Calls calls;
  calls.invoker = make_invoker(calls.loop, {&requests, nullptr});
  calls.run([&] {
    calls.start("large", function, test_call(std::string(20'000, 'x')));
    calls.start("fits", function, test_call(std::string(10'000, 'x')));
  });
  EXPECT_EQ(calls.reason("large"), Reason::Overloaded);
  EXPECT_EQ(calls.reason("fits"), Reason::Ok);
  EXPECT_EQ(requests.in_use(), Bytes{0});
}

TEST(Budget, ABodyKeepsItsRoomWhileItsCallRuns) {
  BodyBudget requests(Bytes{10'000});
  const auto echo = test_function("echo");
  Calls calls;
  calls.invoker = make_invoker(calls.loop, {&requests, nullptr});
  calls.on_end = [&](const std::string& name) {
    if (name == "runs") {
      EXPECT_EQ(requests.in_use(), Bytes{0});
      calls.start("later", echo, test_call(std::string(9'000, 'x')));
    }
  };
  calls.run([&] {
    calls.start("runs", test_function("spin", with_cpu(20ms)), test_call(std::string(9'000, 'x')));
    calls.start("meanwhile", echo, test_call(std::string(9'000, 'x')));
  });
  EXPECT_EQ(calls.reason("meanwhile"), Reason::Overloaded);
  EXPECT_EQ(calls.reason("later"), Reason::Ok);
}

TEST(Budget, AnAnswerKeepsItsRoomUntilItIsTaken) {
  BodyBudget answers(Bytes{150'000});
  const auto echo = test_function("echo");
  const auto call_echo = [&] {
    Calls calls;
    calls.invoker = make_invoker(calls.loop, {nullptr, &answers});
    calls.run([&] { calls.start("echo", echo, test_call(std::string(60'000, 'x'))); });
    return std::move(calls.ended.front().outcome);
  };
  std::vector<Outcome> waiting;
  while (waiting.size() < 3) {
    Outcome outcome = call_echo();
    if (outcome.reason == Reason::Overloaded) {
      EXPECT_EQ(outcome.body, nullptr);
      break;
    }
    waiting.push_back(std::move(outcome));
  }
  ASSERT_FALSE(waiting.empty());
  ASSERT_LT(waiting.size(), 3U);
  waiting.clear();
  EXPECT_EQ(answers.in_use(), Bytes{0});
  EXPECT_EQ(call_echo().reason, Reason::Ok);
}

TEST(Admission, CallsWaitForASlotInTurn) {
  policy::Limits limits;
  limits.concurrency = 1;
  limits.queue = 2;
  const auto function = test_function("sleep", limits);
  Calls calls;
  calls.run([&] {
    for (const char* name : {"first", "second", "third", "fourth"}) {
      calls.start(name, function, test_call(eight_bytes(1'000'000)));
    }
    calls.later([&] {
      EXPECT_EQ(function->admission().running(), 1U);
      EXPECT_EQ(function->admission().waiting(), 2U);
    });
  });
  ASSERT_EQ(calls.ended.size(), 4U);
  EXPECT_EQ(calls.ended[0].name, "fourth");
  EXPECT_EQ(calls.ended[0].outcome.reason, Reason::Overloaded);
  EXPECT_EQ(calls.ended[1].name, "first");
  EXPECT_EQ(calls.ended[2].name, "second");
  EXPECT_EQ(calls.ended[3].name, "third");
  EXPECT_EQ(calls.reason("third"), Reason::Ok);
  EXPECT_GT(calls.find("third")->record.queued, 1ms);
  EXPECT_EQ(function->admission().running(), 0U);
}

TEST(Admission, NobodyWaitsLongerThanTheLongestWait) {
  policy::Limits limits;
  limits.concurrency = 1;
  limits.queue_wait = 5ms;
  limits.wall = 100ms;
  const auto function = test_function("sleep", limits);
  Calls calls;
  calls.run([&] {
    calls.start("runs", function, test_call(kForever));
    calls.start("waits", function, test_call(kForever));
  });
  EXPECT_EQ(calls.ended.front().name, "waits");
  EXPECT_EQ(calls.reason("waits"), Reason::Overloaded);
  EXPECT_EQ(calls.reason("runs"), Reason::LimitWall);
}

TEST(Admission, WhatWaitsLongerThanItsCallerDoesIsOver) {
  policy::Limits limits;
  limits.concurrency = 1;
  limits.wall = 100ms;
  const auto function = test_function("sleep", limits);
  Calls calls;
  Call hasty = test_call(kForever);
  hasty.deadline = Clock::now() + 2ms;
  calls.run([&] {
    calls.start("runs", function, test_call(kForever));
    calls.start("hasty", function, std::move(hasty));
  });
  EXPECT_EQ(calls.ended.front().name, "hasty");
  EXPECT_EQ(calls.reason("hasty"), Reason::LimitWall);
}

TEST(Admission, AFullPoolIsOverload) {
  const auto engine = wasm::Engine::create({.max_memory = 64_MiB, .max_calls = 1}).value();
  policy::Limits limits;
  limits.wall = 10ms;
  const auto function = test_function("sleep", limits, *engine);
  Calls calls;
  calls.run([&] {
    calls.start("runs", function, test_call(kForever));
    calls.start("has no place", function, test_call(kForever));
  });
  EXPECT_EQ(calls.reason("has no place"), Reason::Overloaded);
  EXPECT_EQ(calls.reason("runs"), Reason::LimitWall);
  EXPECT_EQ(engine->live(), 0U);
}

TEST(Admission, CallsThatFindThePoolFullWaitForAPlace) {
  const auto engine = wasm::Engine::create({.max_memory = 64_MiB, .max_calls = 1}).value();
  const wasm::TestDirectory directory;
  const auto places = std::make_shared<Admission>(Admission::Limits{1, 10, 1min});
  const auto make = [&](const std::string& name) {
    return prepare(spec_of(name, directory.guest("sleep")), *engine, nullptr, nullptr, places).value();
  };
  const auto one = make("one");
  const auto other = make("other");
  Calls calls;
  calls.run([&] {
    calls.start("runs", one, test_call(eight_bytes(1'000'000)));
    calls.start("waits", other, test_call(eight_bytes(1)));
    calls.later([&] { EXPECT_EQ(places->waiting(), 1U); });
  });
  EXPECT_EQ(calls.ended.front().name, "runs");
  EXPECT_EQ(calls.reason("waits"), Reason::Ok);
  EXPECT_GT(calls.find("waits")->record.queued, 0ns);
  EXPECT_EQ(places->running(), 0U);
}

Call call_of_app(const std::shared_ptr<Admission>& app, std::string input) {
  Call made = test_call(std::move(input));
  made.app = app;
  return made;
}

TEST(AppLimits, HoldOverAllFunctionsOfAnApp) {
  const auto app = std::make_shared<Admission>(Admission::Limits{1, 1, 1min});
  const auto sleep = test_function("sleep");
  const auto echo = test_function("echo");
  Calls calls;
  calls.run([&] {
    calls.start("runs", sleep, call_of_app(app, eight_bytes(1'000'000)));
    calls.start("waits", echo, call_of_app(app, "a"));
    calls.start("is too much", echo, call_of_app(app, "b"));
    calls.later([&] {
      EXPECT_EQ(echo->admission().running(), 0U) << "who waits for its app keeps no other app from the function";
      calls.start("of another app", echo, test_call("c"));
    });
  });
  EXPECT_EQ(calls.ended[0].name, "is too much");
  EXPECT_EQ(calls.reason("is too much"), Reason::Overloaded);
  EXPECT_EQ(calls.ended[1].name, "of another app");
  EXPECT_EQ(calls.ended[2].name, "runs");
  EXPECT_EQ(calls.reason("runs"), Reason::Ok);
  EXPECT_EQ(calls.reason("waits"), Reason::Ok);
  EXPECT_EQ(app->running(), 0U);
  EXPECT_EQ(app->waiting(), 0U);
}

TEST(AppLimits, AreGivenBackByCallsThatLeaveWhileTheyWaitForTheirFunction) {
  const auto app = std::make_shared<Admission>(Admission::Limits{10, 0, 1min});
  policy::Limits limits;
  limits.concurrency = 1;
  const auto sleep = test_function("sleep", limits);
  const auto cancellation = std::make_shared<Cancellation>();
  Calls calls;
  calls.run([&] {
    calls.start("runs", sleep, call_of_app(app, eight_bytes(1'000'000)));
    Call leaver = call_of_app(app, kForever);
    leaver.cancellation = cancellation;
    calls.start("leaves", sleep, std::move(leaver));
    calls.later([&] {
      EXPECT_EQ(app->running(), 2U);
      cancellation->cancel(Reason::Cancelled);
      EXPECT_EQ(app->running(), 1U);
    });
  });
  EXPECT_EQ(calls.reason("leaves"), Reason::Cancelled);
  EXPECT_EQ(calls.reason("runs"), Reason::Ok);
  EXPECT_EQ(app->running(), 0U);
}

Call cancellable(std::string input, const std::shared_ptr<Cancellation>& cancellation) {
  Call made = test_call(std::move(input));
  made.cancellation = cancellation;
  return made;
}

TEST(Cancel, BeforeItStarts) {
  const auto cancellation = std::make_shared<Cancellation>();
  cancellation->cancel(Reason::Cancelled);
  EXPECT_EQ(run_once(test_function("spin"), cancellable("", cancellation)).reason, Reason::Cancelled);
}

TEST(Cancel, WhileItsBodyComes) {
  const auto cancellation = std::make_shared<Cancellation>();
  Calls calls;
  Call slow = cancellable("", cancellation);
  slow.body = std::make_unique<SlowBody>();
  calls.run([&] {
    calls.start("slow", test_function("echo"), std::move(slow));
    calls.later([&] { cancellation->cancel(Reason::Cancelled); });
  });
  EXPECT_EQ(calls.reason("slow"), Reason::Cancelled);
}

TEST(Cancel, WhileItWaitsLeavesTheQueueToOthers) {
  policy::Limits limits;
  limits.concurrency = 1;
  limits.queue = 1;
  const auto function = test_function("sleep", limits);
  const auto cancellation = std::make_shared<Cancellation>();
  Calls calls;
  calls.run([&] {
    calls.start("runs", function, test_call(eight_bytes(1'000'000)));
    calls.start("leaves", function, cancellable(kForever, cancellation));
    calls.later([&] {
      cancellation->cancel(Reason::Cancelled);
      EXPECT_EQ(function->admission().waiting(), 0U);
      calls.start("follows", function, test_call(eight_bytes(1)));
    });
  });
  EXPECT_EQ(calls.reason("leaves"), Reason::Cancelled);
  EXPECT_EQ(calls.reason("runs"), Reason::Ok);
  EXPECT_EQ(calls.reason("follows"), Reason::Ok);
}

TEST(Cancel, WhenItsSlotIsOnItsWayGivesItBack) {
  policy::Limits limits;
  limits.concurrency = 1;
  const auto function = test_function("sleep", limits);
  const auto first = std::make_shared<Cancellation>();
  const auto second = std::make_shared<Cancellation>();
  Calls calls;
  calls.run([&] {
    calls.start("first", function, cancellable(kForever, first));
    calls.start("second", function, cancellable(kForever, second));
    calls.start("third", function, test_call(eight_bytes(1)));
    calls.later([&] {
      first->cancel(Reason::Cancelled);   // posts the slot to the second
      second->cancel(Reason::Cancelled);  // which is gone when it comes
    });
  });
  EXPECT_EQ(calls.reason("third"), Reason::Ok);
  EXPECT_EQ(function->admission().running(), 0U);
}

TEST(Cancel, WhileItComputesOrSleeps) {
  for (const char* guest : {"spin", "spin_in_start", "sleep", "fill"}) {
    const auto cancellation = std::make_shared<Cancellation>();
    const auto function = test_function(guest, with_cpu(1min));
    Calls calls;
    calls.run([&] {
      calls.start("call", function, cancellable(kForever, cancellation));
      calls.loop.post([&] { cancellation->cancel(Reason::Cancelled); });
    });
    EXPECT_EQ(calls.reason("call"), Reason::Cancelled) << guest;
    EXPECT_EQ(calls.ended.size(), 1U) << guest;
    EXPECT_EQ(calls.invoker->live(), 0U) << guest;
  }
}

TEST(Cancel, DrainingEndsEveryCall) {
  policy::Limits limits;
  limits.concurrency = 2;
  const auto function = test_function("sleep", limits);
  Calls calls;
  calls.run([&] {
    for (const char* name : {"first", "second", "waiting"}) {
      calls.start(name, function, test_call(kForever));
    }
    calls.later([&] {
      EXPECT_EQ(calls.invoker->live(), 3U);
      calls.invoker->cancel_all(Reason::Draining);
      EXPECT_EQ(calls.invoker->live(), 0U);
    });
  });
  for (const char* name : {"first", "second", "waiting"}) {
    EXPECT_EQ(calls.reason(name), Reason::Draining) << name;
  }
}

TEST(Cancel, CallsThatCancelledOnesStartAreRefusedToo) {
  const auto function = test_function("sleep");
  Calls calls;
  calls.on_end = [&](const std::string& name) {
    if (name == "first") {
      calls.start("another", function, test_call(kForever));
    }
  };
  calls.run([&] {
    calls.start("first", function, test_call(kForever));
    calls.start("second", function, test_call(kForever));
    calls.later([&] {
      calls.invoker->cancel_all(Reason::Draining);
      EXPECT_EQ(calls.invoker->live(), 0U);
    });
  });
  for (const char* name : {"first", "second", "another"}) {
    EXPECT_EQ(calls.reason(name), Reason::Draining) << name;
    ASSERT_NE(calls.find(name), nullptr) << name;
    EXPECT_NE(calls.find(name)->record.ended, Clock::time_point{}) << name;
    EXPECT_EQ(calls.find(name)->call_id, test_call().id) << name;
  }
}

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  file >> total >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

#ifdef __SANITIZE_ADDRESS__
constexpr int kLeakCalls = 4'000;  // LeakSanitizer sees the rest
#else
constexpr int kLeakCalls = 20'000;
#endif

TEST(Leaks, ManyCallsDoNotGrowTheProcess) {
  const auto echo = test_function("echo");
  const auto sleep = test_function("sleep");
  Calls calls;
  std::size_t before = 0;
  int left = kLeakCalls;
  ++calls.open;  // held open until the last one
  std::function<void()> next = [&] {
    if (left == kLeakCalls * 3 / 4) {
      before = resident_bytes();
    }
    if (--left == 0) {
      return calls.loop.stop();
    }
    calls.ended.clear();
    const auto cancellation = std::make_shared<Cancellation>();
    calls.start("echo", left % 2 == 0 ? echo : sleep, cancellable(kForever, cancellation));
    cancellation->cancel(Reason::Cancelled);
    calls.loop.post(next);
  };
  calls.run(next);
#ifndef __SANITIZE_ADDRESS__  // whose quarantine grows
  EXPECT_LT(resident_bytes(), before + (4U << 20U));
#endif
  EXPECT_EQ(calls.invoker->live(), 0U);
  EXPECT_GT(before, 0U);
}

}  // namespace
}  // namespace trilby::invoke
