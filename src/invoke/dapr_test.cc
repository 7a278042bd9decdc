// What a guest asks of Dapr, from its import to whoever is asked and back. A real sidecar is asked in tests/dapr.
#include <cstring>
#include <optional>
#include <utility>

#include <gtest/gtest.h>

#include "dapr/app_ways.h"
#include "invoke/test_calls.h"
#include "invoke/test_dapr.h"

namespace trilby::invoke {
namespace {

class GuestDapr : public ::testing::Test {
 protected:
  /// A function that may read and write store/granted and call billing/pay.
  static std::shared_ptr<const Function> function_with(const policy::Limits& limits = {}, bool granted = true) {
    const wasm::TestDirectory directory;
    FunctionSpec spec = spec_of("asks", directory.guest("dapr"), limits);
    if (granted) {
      grant_some(spec);
    }
    return prepare(std::move(spec), test_engine(), nullptr, nullptr).value();
  }

  /// One that may read, lock and schedule what is called granted, and nothing else.
  static std::shared_ptr<const Function> function_with_more() {
    const wasm::TestDirectory directory;
    FunctionSpec spec = spec_of("asks", directory.guest("dapr"), {});
    spec.policy.grants.dapr.configuration.insert("store/granted");
    spec.policy.grants.dapr.locks.insert("store/granted");
    spec.policy.grants.dapr.jobs.insert("granted");
    return prepare(std::move(spec), test_engine(), nullptr, nullptr).value();
  }

  [[nodiscard]] Call call(std::string input) const { return asking_call(std::move(input), ways); }
  Outcome run(const std::shared_ptr<const Function>& function, Call made) {
    calls.emplace();
    calls->run([&] { calls->start("it", function, std::move(made)); });
    return std::move(calls->ended.back().outcome);
  }
  Outcome run(char what, std::string more = {}) { return run(function_with(), call(what + std::move(more))); }
  void answer_later(std::function<void()> answer) { calls->later(std::move(answer)); }

  std::optional<Calls> calls;  // of the last run
  FakeBlocks blocks;
  FakeInvocation invocation;
  dapr::AppWays ways{"shop", invocation, &blocks};
};

TEST_F(GuestDapr, GivesBackWhatTheStoreHas) {
  blocks.on_asked = [&] { answer_later([&] { blocks.answer("{\"a\":1}"); }); };
  Outcome outcome = run(0);
  ASSERT_EQ(outcome.reason, Reason::Ok) << outcome.message;
  EXPECT_EQ(read_body(outcome), "{\"a\":1}");
  EXPECT_EQ(blocks.asked, std::vector<std::string>{"read store/granted"});
  EXPECT_EQ(blocks.terms.trace.traceparent, "parent");
  EXPECT_EQ(blocks.terms.deadline, Clock::time_point::max()) << "the guest is ended at its own, and then this is";
  EXPECT_TRUE(blocks.handle.expired());
  EXPECT_GT(outcome.record.wall, outcome.record.cpu);
}

TEST_F(GuestDapr, TellsErrorsApart) {
  const std::pair<Result<std::optional<WholeBody>>, std::string_view> kErrors[] = {
      {std::nullopt, "it exited with 3"},
      {fail(Reason::BodyTooLarge, "large"), "it exited with 4"},
      {fail(Reason::LimitOutput, "large"), "it exited with 4"},
      {fail(Reason::UpstreamFailed, "refused"), "it exited with 5"},
      {fail(Reason::LimitWall, "slow"), "it exited with 5"},
      {fail(Reason::Overloaded, "many"), "it exited with 6"},
  };
  for (const auto& [error, message] : kErrors) {
    blocks.on_asked = [&, &error = error] {
      answer_later([&] {
        if (error) {
          blocks.answer(std::optional<WholeBody>());
        } else {
          blocks.answer(tl::unexpected(error.error()));
        }
      });
    };
    const Outcome outcome = run(0);
    EXPECT_EQ(outcome.message, message);
    EXPECT_EQ(outcome.reason, Reason::FunctionFailed);
  }
}

TEST_F(GuestDapr, DeniesWhatIsNotGranted) {
  const Outcome outcome = run(1);
  EXPECT_EQ(outcome.reason, Reason::Denied);
  EXPECT_EQ(outcome.record.denials.of(Grant::DaprState), 1U);
  EXPECT_TRUE(blocks.asked.empty());
}

TEST_F(GuestDapr, DeniesEverythingToAFunctionThatIsGrantedNothing) {
  Outcome outcome = run(function_with({}, false), call("\x06{}"));
  EXPECT_EQ(outcome.reason, Reason::Ok) << outcome.message;
  EXPECT_EQ(read_body(outcome), "fine");
  EXPECT_EQ(outcome.record.denials.of(Grant::DaprState), 2U);
  EXPECT_TRUE(blocks.asked.empty());
}

TEST_F(GuestDapr, RefusesHostileArguments) {
  Outcome outcome = run(4);
  ASSERT_EQ(outcome.reason, Reason::Ok) << outcome.message;
  EXPECT_EQ(read_body(outcome), "fine");
  EXPECT_EQ(outcome.record.denials.total(), 3U) << "of the states that it asks for by names that may be";
  EXPECT_TRUE(blocks.asked.empty());
  EXPECT_FALSE(invocation.called);
}

TEST_F(GuestDapr, SavesJsonAndNothingElse) {
  blocks.on_asked = [&] { answer_later([&] { blocks.answer(std::optional<WholeBody>()); }); };
  EXPECT_EQ(run(5, "{\"a\": 12345678901234567890}").reason, Reason::Ok);
  EXPECT_EQ(blocks.asked, std::vector<std::string>{"save store/granted: {\"a\": 12345678901234567890}"});
  EXPECT_EQ(run(5, "{no json").message, "it exited with 1");
  EXPECT_EQ(run(5, "1}],[{\"key\":\"x\",\"value\":1").message, "it exited with 1");
  EXPECT_EQ(run(5).message, "it exited with 1");
  EXPECT_EQ(blocks.asked.size(), 1U);
}

TEST_F(GuestDapr, HasTheStateOfTheActorThatItIsCalledAs) {
  const auto turn = [&](char what, std::string more = {}) {
    blocks.asked.clear();
    Call made = call(what + std::move(more));
    made.actor = std::make_shared<const ActorTurn>(ActorTurn{"Counter", "a b", "chain"});
    Outcome outcome = run(function_with({}, false), std::move(made));
    EXPECT_EQ(blocks.asked.size(), outcome.reason == Reason::Ok ? 1U : 0U) << outcome.message;
    return (blocks.asked.empty() ? "" : blocks.asked[0]) + " -> " +
           (outcome.reason == Reason::Ok ? read_body(outcome) : outcome.message);
  };
  blocks.on_asked = [&] { answer_later([&] { blocks.answer("7"); }); };
  EXPECT_EQ(turn(7), "read Counter/a b/granted -> 7");
  EXPECT_EQ(blocks.most, 4_MiB);
  EXPECT_EQ(blocks.terms.trace.traceparent, "parent");
  EXPECT_EQ(turn(8, R"([{"operation":"delete", "request":{"key":"k"}}])"),
            R"(change Counter/a b: [{"operation":"delete","request":{"key":"k"}}] -> )");
  EXPECT_EQ(turn(8, "[]"), " -> it exited with 1");
  EXPECT_EQ(turn(9, R"({"dueTime":"1s"})"), R"(reminder Counter/a b/granted: {"dueTime":"1s"} -> )");
  EXPECT_EQ(turn(9, "{no json"), " -> it exited with 1");
  EXPECT_EQ(turn(10), "timer Counter/a b/granted: none -> ") << "there is to be none any more";
}

TEST_F(GuestDapr, HasNoActorsStateWhenItIsCalledAsNone) {
  for (const char what : {'\x07', '\x08', '\x09', '\x0a'}) {
    for (const bool granted : {true, false}) {
      const Outcome outcome = run(function_with({}, granted), call(what + std::string("{}")));
      EXPECT_EQ(outcome.reason, Reason::Denied);
      EXPECT_EQ(outcome.message, "it exited with 2");
      EXPECT_EQ(outcome.record.denials.of(Grant::DaprActorState), 1U);
    }
  }
  EXPECT_TRUE(blocks.asked.empty());
}

TEST_F(GuestDapr, CallsActorsThatItIsGranted) {
  blocks.on_asked = [&] { answer_later([&] { blocks.answer("yes"); }); };
  const wasm::TestDirectory directory;
  FunctionSpec spec = spec_of("asks", directory.guest("dapr"), {});
  spec.policy.grants.dapr.actors.insert("billing/pay");
  const auto function = prepare(std::move(spec), test_engine(), nullptr, nullptr).value();
  Call made = call("\x0b{}");
  made.actor = std::make_shared<const ActorTurn>(ActorTurn{"Counter", "7", "chain"});
  Outcome outcome = run(function, std::move(made));
  EXPECT_EQ(read_body(outcome), "yes") << outcome.message;
  outcome = run(function, call("\x0b{}"));
  EXPECT_EQ(outcome.reason, Reason::Ok) << "an actor or not";
  EXPECT_EQ(blocks.asked, (std::vector<std::string>{"invoke billing/granted/pay (chain, 3) application/octet-stream {}",
                                                    "invoke billing/granted/pay (, 3) application/octet-stream {}"}));
  outcome = run(function_with(), call("\x0b{}"));
  EXPECT_EQ(outcome.reason, Reason::Denied);
  EXPECT_EQ(outcome.record.denials.of(Grant::DaprActor), 1U);
  EXPECT_EQ(blocks.asked.size(), 2U);
}

/// The first byte of what asks, and what is asked then.
constexpr std::pair<char, std::string_view> kChanges[] = {
    {'\x0d', "lock store/granted as other for 30 s"},
    {'\x0e', "unlock store/granted as other"},
    {'\x0f', R"(job granted: {"dueTime":"1s","data":null})"},
    {'\x10', "job granted: none"},
};

TEST_F(GuestDapr, ReadsAConfigurationThatItIsGranted) {
  blocks.on_asked = [&] { answer_later([&] { blocks.answer("25"); }); };
  Outcome outcome = run(function_with_more(), call("\x0c"));
  EXPECT_EQ(read_body(outcome), "25") << outcome.message;
  EXPECT_EQ(blocks.most, 4_MiB);
  EXPECT_EQ(blocks.asked, std::vector<std::string>{"configuration store/granted"});
  blocks.on_asked = [&] { answer_later([&] { blocks.answer(std::optional<WholeBody>()); }); };
  EXPECT_EQ(run(function_with_more(), call("\x0c")).message, "it exited with 3");
  blocks.asked.clear();
  outcome = run('\x0c');
  EXPECT_EQ(outcome.reason, Reason::Denied);
  EXPECT_EQ(outcome.record.denials.of(Grant::DaprConfiguration), 1U);
  EXPECT_TRUE(blocks.asked.empty());
}

TEST_F(GuestDapr, LocksAndSchedulesWhatItIsGranted) {
  for (const auto& [what, asked] : kChanges) {
    blocks.asked.clear();
    blocks.on_asked = [&] { answer_later([&] { blocks.answer(std::optional<WholeBody>()); }); };
    for (const auto& [change, message] :
         {std::pair(dapr::Change::Made, ""), std::pair(dapr::Change::Missing, "it exited with 3"),
          std::pair(dapr::Change::Conflict, "it exited with 8")}) {
      blocks.change = change;
      EXPECT_EQ(run(function_with_more(), call(what + std::string(R"({"dueTime":"1s"})"))).message, message) << asked;
    }
    blocks.on_asked = [&] { answer_later([&] { blocks.answer(fail(Reason::UpstreamFailed, "refused")); }); };
    EXPECT_EQ(run(function_with_more(), call(what + std::string(R"({"dueTime":"1s"})"))).message, "it exited with 5");
    EXPECT_EQ(blocks.asked, std::vector<std::string>(4, std::string(asked)));
  }
}

TEST_F(GuestDapr, LocksAndSchedulesNothingElse) {
  for (const auto& [what, asked] : kChanges) {
    const Outcome outcome = run(function_with(), call(what + std::string(R"({"dueTime":"1s"})")));
    EXPECT_EQ(outcome.message, "it exited with 2") << asked;
    EXPECT_EQ(outcome.record.denials.of(what < '\x0f' ? Grant::DaprLock : Grant::DaprJob), 1U);
  }
  EXPECT_EQ(run(function_with_more(), call("\x0f{}")).message, "it exited with 1");
  EXPECT_TRUE(blocks.asked.empty());
}

constexpr std::string_view kSave = R"({"operation":"upsert","request":{"key":"granted","value":1,"etag":"7"}})";
constexpr std::string_view kDelete = R"({"operation":"delete","request":{"key":"other"}})";

TEST_F(GuestDapr, ChangesStatesOnlyWhereEachIsGranted) {
  blocks.on_asked = [&] { answer_later([&] { blocks.answer(std::optional<WholeBody>()); }); };
  EXPECT_EQ(run('\x11', fmt::format(" [ {} ]", kSave)).message, "");
  EXPECT_EQ(blocks.asked, std::vector<std::string>{fmt::format("change store: [{}]", kSave)});
  blocks.change = dapr::Change::Conflict;
  EXPECT_EQ(run('\x11', fmt::format("[{}]", kSave)).message, "it exited with 8");
  blocks.asked.clear();
  EXPECT_EQ(run('\x11', "[]").message, "it exited with 1");
  for (const auto& text : {fmt::format("[{},{}]", kSave, kDelete), fmt::format("[{},{}]", kDelete, kSave)}) {
    const Outcome outcome = run('\x11', text);
    EXPECT_EQ(outcome.message, "it exited with 2");
    EXPECT_EQ(outcome.record.denials.of(Grant::DaprState), 1U);
  }
  EXPECT_TRUE(blocks.asked.empty());
}

TEST_F(GuestDapr, ReadsStatesOnlyWhereEachIsGranted) {
  blocks.on_asked = [&] { answer_later([&] { blocks.answer("[7]"); }); };
  Outcome outcome = run('\x12', R"([ "granted" ])");
  EXPECT_EQ(read_body(outcome), "[7]") << outcome.message;
  EXPECT_EQ(blocks.most, 4_MiB);
  EXPECT_EQ(blocks.asked, std::vector<std::string>{R"(read store: ["granted"])"});
  blocks.asked.clear();
  EXPECT_EQ(run('\x12', "[]").message, "it exited with 1");
  EXPECT_EQ(run('\x12', R"(["granted","other"])").message, "it exited with 2");
  EXPECT_EQ(run('\x12', R"(["other","granted"])").message, "it exited with 2");
  EXPECT_TRUE(blocks.asked.empty());
}

TEST_F(GuestDapr, DoesNotLookAtWhatAFunctionAsksOfAStoreThatItIsNotGranted) {
  const wasm::TestDirectory directory;
  const auto with = [&](std::string_view grant, policy::StateAccess access) {
    FunctionSpec spec = spec_of("asks", directory.guest("dapr"), {});
    spec.policy.grants.dapr.state[std::string(grant)] = access;
    return prepare(std::move(spec), test_engine(), nullptr, nullptr).value();
  };
  const auto denied = [&](const std::shared_ptr<const Function>& function, char what) {
    const Outcome outcome = run(function, call(what + std::string("{no json")));
    return outcome.message == "it exited with 2" && outcome.record.denials.of(Grant::DaprState) == 1U;
  };
  for (const char what : {'\x11', '\x12'}) {
    EXPECT_TRUE(denied(function_with({}, false), what));
    EXPECT_TRUE(denied(with("store2/*", {.read = true, .write = true}), what));
    EXPECT_TRUE(denied(with("store/*", {.read = what == '\x11', .write = what == '\x12'}), what)) << "the other access";
    EXPECT_FALSE(denied(with("store/*", {.read = what == '\x12', .write = what == '\x11'}), what));
  }
  EXPECT_TRUE(blocks.asked.empty());
}

TEST_F(GuestDapr, MayNotAskForWhatItIsNotGrantedAmongManyWithoutEnd) {
  const auto function = function_with({.host_calls_per_second = 20});
  EXPECT_EQ(run(function, call("\x13"
                               R"(["other"])"))
                .reason,
            Reason::LimitCalls);
  EXPECT_EQ(run(function, call("\x13{no json")).reason, Reason::LimitCalls);
  EXPECT_TRUE(blocks.asked.empty());
}

TEST_F(GuestDapr, NeedsRoomForWhatItAsksOfManyBeforeThatIsRead) {
  BodyBudget bodies(Bytes{30'000});  // for what the call is given, and for half of it once more
  const auto told_with = [&](BodyBudget* budget) {
    calls.emplace();
    calls->invoker = make_invoker(calls->loop, {budget, nullptr});
    calls->run([&] { calls->start("it", function_with(), call("\x11{no json" + std::string(20'000, ' '))); });
    return calls->ended.back().outcome.message;
  };
  EXPECT_EQ(told_with(nullptr), "it exited with 1");
  EXPECT_EQ(told_with(&bodies), "it exited with 6");
  calls.reset();
}

TEST_F(GuestDapr, IsNotToldOfStatesThatItMayOnlyWrite) {
  blocks.on_asked = [&] { answer_later([&] { blocks.answer(std::optional<WholeBody>()); }); };
  const wasm::TestDirectory directory;
  FunctionSpec spec = spec_of("asks", directory.guest("dapr"), {});
  spec.policy.grants.dapr.state["store/granted"] = {.read = false, .write = true};
  const auto function = prepare(std::move(spec), test_engine(), nullptr, nullptr).value();
  EXPECT_EQ(run(function, call("\x11"
                               R"([{"operation":"upsert","request":{"key":"granted","value":{"etag":"7"}}}])"))
                .message,
            "");
  EXPECT_EQ(blocks.asked.size(), 1U);
  for (const std::string_view compared : {R"("etag":"7")", R"("options":{"concurrency":"first-write"})"}) {
    for (const std::string_view what : {R"("upsert","request":{"value":1)", R"("delete","request":{)"}) {
      const std::string_view comma = what.ends_with('{') ? "" : ",";
      const Outcome outcome = run(
          function, call(fmt::format("\x11[{{\"operation\":{}{}\"key\":\"granted\",{}}}}}]", what, comma, compared)));
      EXPECT_EQ(outcome.message, "it exited with 2") << what << compared;
      EXPECT_EQ(outcome.record.denials.of(Grant::DaprState), 1U);
    }
  }
  EXPECT_EQ(blocks.asked.size(), 1U);
}

TEST_F(GuestDapr, CallsAnAppOnBehalfOfItsOwn) {
  std::string body;
  invocation.on_asked = [&] {
    answer_later([&] {
      (void)read_all(std::move(invocation.called->body), 1_MiB,
                     [&](Result<std::string> whole) { body = whole ? std::move(*whole) : "failed"; });
      Outcome answer;
      answer.reason = Reason::BadInput;
      answer.status = 422;
      answer.body = make_body("no");
      invocation.waiting(std::move(answer));
    });
  };
  Outcome outcome = run(3, "five euros");
  ASSERT_EQ(outcome.reason, Reason::Ok) << outcome.message;
  EXPECT_EQ(read_body(outcome), std::string("\xa6\x01\0\0no", 6)) << "the app answered, whatever";
  EXPECT_EQ(invocation.app, "billing");
  EXPECT_EQ(invocation.called->path, "/pay");
  EXPECT_EQ(invocation.called->method, "POST");
  EXPECT_EQ(invocation.called->caller, "shop");
  EXPECT_EQ(invocation.called->hops, 3U);
  EXPECT_EQ(*invocation.called->fields.find("dapr-caller-app-id"), "shop") << "no event that Dapr brings";
  EXPECT_EQ(*invocation.called->fields.find("dapr-callee-app-id"), "billing") << "no actor's turn either";
  EXPECT_EQ(invocation.called->trace.traceparent, "parent");
  EXPECT_EQ(*invocation.called->fields.find("content-type"), "application/octet-stream");
  EXPECT_EQ(body, "five euros");
}

TEST_F(GuestDapr, CallsAnAppThatAnswersAtOnce) {
  invocation.on_asked = [&] { invocation.answer("yes"); };
  Outcome outcome = run(3);
  EXPECT_EQ(read_body(outcome), std::string("\xc8\0\0\0yes", 7)) << outcome.message;
}

TEST_F(GuestDapr, TellsAnAppThatDoesNotAnswer) {
  invocation.on_asked = [&] { answer_later([&] { invocation.waiting(refusal(Reason::UpstreamFailed)); }); };
  EXPECT_EQ(run(3).message, "it exited with 5");
}

TEST_F(GuestDapr, DoesNotTakeMoreThanThereIsRoomFor) {
  blocks.on_asked = [&] { answer_later([&] { blocks.answer("1"); }); };
  EXPECT_EQ(run(0).reason, Reason::Ok);
  EXPECT_EQ(blocks.most, 4_MiB);
  invocation.on_asked = [&] { answer_later([&] { invocation.answer(std::string((4U << 20U) + 1, 'x')); }); };
  EXPECT_EQ(run(3).message, "it exited with 4");
}

TEST_F(GuestDapr, EndsAtItsWallTimeAndGivesUpWhatItAsked) {
  const auto function = function_with({.wall = 1s});  // enough to ask, on a busy machine
  EXPECT_EQ(run(function, call(std::string(1, 0))).reason, Reason::LimitWall);
  EXPECT_EQ(blocks.asked.size(), 1U);
  EXPECT_TRUE(blocks.handle.expired());
  blocks.answer("too late");  // reaches nobody

  EXPECT_EQ(run(function, call("\x03")).reason, Reason::LimitWall);
  ASSERT_TRUE(invocation.called);
  EXPECT_TRUE(invocation.called->cancellation->cancelled());
  invocation.waiting(refusal(Reason::Cancelled));
}

TEST_F(GuestDapr, MayNotAskWithoutEnd) {
  blocks.on_asked = [&] { answer_later([&] { blocks.answer("1"); }); };
  const Outcome outcome = run(function_with({.host_calls_per_second = 20}), call("\x02"));
  EXPECT_EQ(outcome.reason, Reason::LimitCalls);
  EXPECT_GE(blocks.asked.size(), 20U);
  EXPECT_LT(blocks.asked.size(), 1000U);
}

TEST_F(GuestDapr, IsToldWhenThereIsNobodyToAsk) {
  const dapr::AppWays alone{"shop", invocation, nullptr};
  Call made = call(std::string(1, 0));
  made.ways = &alone;
  EXPECT_EQ(run(function_with(), std::move(made)).message, "it exited with 7");
  made = call(std::string(1, 0));
  made.ways = nullptr;
  EXPECT_EQ(run(function_with(), std::move(made)).message, "it exited with 7");
}

TEST_F(GuestDapr, LeavesNothingBehindWhenAllCallsAreEnded) {
  blocks.on_asked = [&] { answer_later([&] { calls->invoker->cancel_all(Reason::Draining); }); };
  EXPECT_EQ(run(0).reason, Reason::Draining);
  EXPECT_TRUE(blocks.handle.expired());
}

}  // namespace
}  // namespace trilby::invoke
