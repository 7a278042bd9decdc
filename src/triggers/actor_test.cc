#include "triggers/actor.h"

#include <gtest/gtest.h>

#include "triggers/test_fakes.h"

namespace trilby::triggers {
namespace {

using What = ActorRequest::What;

/// "method add of Counter 7", "none", "refused"
std::string read(std::string_view method, std::string_view path, std::string_view target) {
  const auto request = read_actor_request(method, path, target);
  if (!request) {
    EXPECT_EQ(request.error().reason, Reason::BadRequest);
    return "refused";
  }
  if (!*request) {
    return "none";
  }
  constexpr std::string_view kWhat[] = {"method", "reminder", "timer", "end"};
  return fmt::format("{} {} of {} {}", kWhat[static_cast<std::size_t>((*request)->what)], (*request)->name,
                     (*request)->turn.type, (*request)->turn.id);
}
std::string read(std::string_view method, std::string_view path) {
  return read(method, path, path);
}

TEST(ActorRequests, AreReadFromThePath) {
  EXPECT_EQ(read("PUT", "/actors/Counter/7/method/add"), "method add of Counter 7");
  EXPECT_EQ(read("PUT", "/actors/Counter/a:b||c/method/add/more"), "method add/more of Counter a:b||c");
  EXPECT_EQ(read("PUT", "/actors/Counter/7/method/remind/daily"), "reminder daily of Counter 7");
  EXPECT_EQ(read("PUT", "/actors/Counter/7/method/timer/tick"), "timer tick of Counter 7");
  EXPECT_EQ(read("PUT", "/actors/Counter/7/method/remind"), "method remind of Counter 7");
  EXPECT_EQ(read("PUT", "/actors/Counter/7/method/timers/x"), "method timers/x of Counter 7");
  EXPECT_EQ(read("DELETE", "/actors/Counter/7"), "end  of Counter 7");
  EXPECT_EQ(read("PUT", "/actors/Counter/7/method/add", "/actors/Counter/7/method/add?a=/b%20"),
            "method add of Counter 7");
  EXPECT_EQ(read("DELETE", "/actors/Counter/7", "/actors/Counter/7?x"), "end  of Counter 7");
}

TEST(ActorRequests, AreNothingElse) {
  for (const char* path :
       {"/actors", "/actors/", "/actors/Counter", "/actors/Counter/", "/actors/Counter/7", "/actors/Counter/7/",
        "/actors/Counter/7/method", "/actors/Counter/7/method/", "/actors/Counter/7/method/remind/",
        "/actors/Counter/7/method/timer/", "/actors/Counter/7/methods/add", "/actor/Counter/7/method/add", "/"}) {
    EXPECT_EQ(read("PUT", path), "none") << path;
  }
  for (const char* path : {"/actors", "/actors/Counter", "/actors/Counter/", "/actors/Counter/7/",
                           "/actors/Counter/7/method/add", "/actors/Counter/7/x"}) {
    EXPECT_EQ(read("DELETE", path), "none") << path;
  }
  for (const char* method : {"GET", "POST", "PATCH", "OPTIONS", "put"}) {
    EXPECT_EQ(read(method, "/actors/Counter/7/method/add"), "none") << method;
  }
}

TEST(ActorRequests, HaveNoPercentCodesInTheirIds) {
  EXPECT_EQ(read("PUT", "/actors/Counter/a b/method/add", "/actors/Counter/a%20b/method/add"), "refused");
  EXPECT_EQ(read("PUT", "/actors/Counter/aA/method/add", "/actors/Counter/a%41/method/add"), "refused");
  EXPECT_EQ(read("PUT", "/actors/Counter/a%/method/add", "/actors/Counter/a%25/method/add"), "refused");
  EXPECT_EQ(read("PUT", "/actors/Counter/7/method/add", "/actors/C%6funter/7/method/add"), "refused");
  EXPECT_EQ(read("PUT", "/actors/Counter/7/method/add", "/%61ctors/Counter/7/method/add"), "refused");
  EXPECT_EQ(read("DELETE", "/actors/Counter/aA", "/actors/Counter/a%41"), "refused");
  EXPECT_EQ(read("PUT", "/actors/Counter/7/method/a b", "/actors/Counter/7/method/a%20b"), "method a b of Counter 7")
      << "of a method nothing depends on how it was written";
}

TEST(ActorRequests, AreBounded) {
  const std::string most(256, 'x');
  EXPECT_EQ(read("PUT", "/actors/C/" + most + "/method/" + most), "method " + most + " of C " + most);
  EXPECT_EQ(read("PUT", "/actors/C/" + most + "x/method/m"), "refused");
  EXPECT_EQ(read("PUT", "/actors/C/7/method/" + most + "x"), "refused");
  EXPECT_EQ(read("PUT", "/actors/C/7/method/remind/" + most + "x"), "refused");
  EXPECT_EQ(read("DELETE", "/actors/C/" + most + "x"), "refused");
}

/// "NAME=value NAME=value: data"
std::string told(What what, std::string body) {
  const auto event = read_actor_event({what, "n", {"Counter", "7", {}}}, std::move(body));
  if (!event) {
    return std::string(name(event.error().reason));
  }
  std::string out;
  for (const Field& variable : event->variables) {
    out += variable.name.substr(5) + "=" + variable.value + " ";
  }
  return out + "(" + event->content_type + "): " + event->data;
}

TEST(ActorEvents, SayAllThatDaprSays) {
  EXPECT_EQ(told(What::Method, "\x01{"), "ACTOR_TYPE=Counter ACTOR_ID=7 ACTOR_METHOD=n TRIGGER=actor (): \x01{");
  EXPECT_EQ(told(What::Reminder, R"({"data": {"a" :1},"dueTime":"1s","period":"R3/PT1S"})"),
            "ACTOR_TYPE=Counter ACTOR_ID=7 ACTOR_REMINDER=n ACTOR_DUE_TIME=1s ACTOR_PERIOD=R3/PT1S TRIGGER=actor "
            R"((application/json): {"a" :1})");
  EXPECT_EQ(told(What::Timer, R"({"callback":"c","data":"text","dueTime":"","period":""})"),
            "ACTOR_TYPE=Counter ACTOR_ID=7 ACTOR_TIMER=n ACTOR_CALLBACK=c TRIGGER=actor (application/json): \"text\"");
  EXPECT_EQ(told(What::Timer, R"({"data":null,"other":[]})"),
            "ACTOR_TYPE=Counter ACTOR_ID=7 ACTOR_TIMER=n TRIGGER=actor (): ");
  EXPECT_EQ(told(What::Deactivation, "whatever"), "ACTOR_TYPE=Counter ACTOR_ID=7 TRIGGER=actor-deactivation (): ");
}

TEST(ActorEvents, AreRefusedWhenTheyAreNone) {
  for (const char* body :
       {"", "{", "[]", "1", R"({"period":1})", R"({"dueTime":"a","dueTime":"b"})", R"({"callback":"\u0000"})"}) {
    EXPECT_EQ(told(What::Reminder, body), "bad-request") << body;
  }
  EXPECT_EQ(told(What::Reminder, R"({"period":")" + std::string(70'000, 'x') + "\"}"), "head-too-large");
}

TEST(ActorAnswers, AreTwoHundredOrAnError) {
  const auto status = [](What what, Outcome outcome) {
    const Verdict verdict = judge(outcome, {});
    settle(outcome, what, verdict);
    return outcome.status;
  };
  const auto with = [](int code) {
    Outcome outcome = ok();
    outcome.status = code;
    return outcome;
  };
  for (const What what : {What::Method, What::Deactivation}) {
    EXPECT_EQ(status(what, with(200)), 200);
    EXPECT_EQ(status(what, with(204)), 200) << "which Dapr would take for an error";
    EXPECT_EQ(status(what, with(404)), 404) << "there is no such method";
    EXPECT_EQ(status(what, refusal(Reason::BadInput)), 422);
    EXPECT_EQ(status(what, refusal(Reason::Trap)), 500);
    EXPECT_EQ(status(what, refusal(Reason::Overloaded)), 503);
  }
  for (const What what : {What::Reminder, What::Timer}) {
    EXPECT_EQ(status(what, with(201)), 200);
    EXPECT_EQ(status(what, with(404)), 200) << "dropped";
    EXPECT_EQ(status(what, refusal(Reason::BadInput)), 200) << "dropped";
    EXPECT_EQ(status(what, refusal(Reason::Trap)), 500) << "tried again";
    EXPECT_EQ(status(what, refusal(Reason::Draining)), 503);
  }
}

TEST(ActorTypes, AreWrittenAsDaprReadsThem) {
  EXPECT_EQ(config_document({}), R"({"entities":[]})");
  HostedActor plain;
  plain.type = "Plain";
  const HostedActor full{"Full", std::chrono::minutes(2), std::chrono::milliseconds(1500), 8};
  EXPECT_EQ(config_document(std::vector{plain, full}),
            R"({"entities":["Plain","Full"],"entitiesConfig":[{"entities":["Plain"]},{"entities":["Full"],)"
            R"("actorIdleTimeout":"120000ms","drainOngoingCallTimeout":"1500ms",)"
            R"("reentrancy":{"enabled":true,"maxStackDepth":8}}]})");
}

}  // namespace
}  // namespace trilby::triggers
