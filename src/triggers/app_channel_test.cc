#include "triggers/app_channel.h"

#include <optional>

#include <gtest/gtest.h>

#include "dapr/embedded/service_invocation.h"
#include "triggers/subscription.h"
#include "triggers/test_fakes.h"

namespace trilby::triggers {
namespace {

using namespace trilby::literals;
using Part = AppChannel::Taken::Part;
using Kind = EventTrigger::Kind;

constexpr std::string_view kCloudEvents = "application/cloudevents+json";

class AppChannelTest : public testing::Test {
 protected:
  void SetUp() override {
    add(Kind::Topic, "/dapr/topic/p/t/f", "p", "t");
    add(Kind::Topic, "/stubborn", "p", "s", {Verdict::Retry, Verdict::Drop});
    add(Kind::Binding, "/cron", "cron", "");
    add(Kind::Job, "/job/nightly", "", "nightly");
    add(Kind::Configuration, "/configuration/c/limit", "c", "limit");
    add(Kind::Configuration, "/configuration/all/*", "all", "");
    for (const auto& [type, wants] : {std::pair("Counter", false), std::pair("Told", true)}) {
      add(Kind::Actor, std::string("/actors/") + type, type, "");
      settings.actors.push_back(std::move(settings.triggers.back()));
      settings.actors.back().wants_deactivations = wants;
      settings.triggers.pop_back();
    }
    settings.config = R"({"entities":["Counter","Told"]})";
    settings.health_path = "/healthz";
    settings.subscriptions = "[]";
    settings.own_label = labels.add_route("a", "dapr");
    make({});
  }
  void add(Kind kind, std::string path, std::string component, std::string subject, FailureRules rules = {}) {
    EventTrigger trigger;
    trigger.kind = kind;
    trigger.path = std::move(path);
    trigger.component = std::move(component);
    trigger.subject = std::move(subject);
    trigger.rules = rules;
    trigger.function = {nullptr, 1_KiB, labels.add_function("f")};
    trigger.event_limit = 2_KiB;
    trigger.bulk_limit = 1_MiB;
    trigger.at_once = 2;
    trigger.label = labels.add_route("a", trigger.path);
    settings.triggers.push_back(std::move(trigger));
  }
  void make(std::vector<Route> routes, dapr::BuildingBlocks* blocks = nullptr) {
    channel.reset();
    metrics.emplace(labels);
    router.emplace("a", std::make_shared<const RouteTable>(std::move(routes)),
                   LoopServices{invoker, invocation, *metrics, ids, calls, blocks});
    channel.emplace(std::make_shared<const AppTriggers>(settings), *router, ids, nullptr);
  }

  static Call request(std::string method, std::string path, Fields fields = {}, std::string body = {}) {
    Call call;
    call.method = std::move(method);
    call.path = std::move(path);
    call.fields = std::move(fields);
    call.body = make_body(std::move(body));
    call.cancellation = std::make_shared<Cancellation>();
    return call;
  }
  static Call event(std::string path, std::string body, std::string_view type = kCloudEvents) {
    return request("POST", std::move(path), {{"Content-Type", std::string(type)}}, std::move(body));
  }
  static Call bulk(std::initializer_list<std::string> data) {
    std::string body;
    for (const std::string& one : data) {
      body +=
          (body.empty() ? "" : ",") +
          fmt::format(R"({{"entryId":"{0}","event":{{"id":"{0}","data":"{0}","datacontenttype":"text/plain"}}}})", one);
    }
    return event("/dapr/topic/p/t/f", "{\"entries\":[" + body + "]}", "application/json");
  }
  [[nodiscard]] std::optional<Part> part(const Call& call) const {
    const auto taken = channel->match(call, call.path);
    return taken ? std::optional(taken->part) : std::nullopt;
  }
  void run(Call call) {
    auto taken = channel->match(call, call.path);
    ASSERT_TRUE(taken) << call.method << " " << call.path;
    outcome.reset();
    channel->run(std::move(*taken), std::move(call), [&](Outcome end) {
      ASSERT_FALSE(outcome) << "it ends once";
      outcome = std::move(end);
    });
  }
  /// What the sidecar reads: status and body.
  std::string answer() {
    if (!outcome) {
      return "none";
    }
    return fmt::format("{} {}", outcome->status, outcome->body ? outcome->body->take_ready().value() : "problem");
  }

  AppTriggers::Settings settings;
  observe::Labels labels;
  std::optional<observe::LoopMetrics> metrics;
  observe::IdSource ids;
  observe::CallRing calls{64};
  ScriptedInvoker invoker;
  dapr::embedded::LocalInvocation invocation;
  std::optional<Router> router;
  std::optional<AppChannel> channel;
  std::optional<Outcome> outcome;
};

Route route(std::string method, std::string path, RouteTarget target) {
  Route made;
  made.method = std::move(method);
  made.path = std::move(path);
  made.target = std::move(target);
  return made;
}

TEST_F(AppChannelTest, TakesWhatIsDaprsAndLeavesTheRest) {
  EXPECT_EQ(part(request("GET", "/healthz")), Part::Probe);
  EXPECT_EQ(part(request("GET", "/dapr/config")), Part::Config);
  EXPECT_EQ(part(request("GET", "/dapr/subscribe")), Part::Subscriptions);
  EXPECT_EQ(part(request("OPTIONS", "/cron")), Part::Offer);
  EXPECT_EQ(part(request("POST", "/cron")), Part::Event);
  EXPECT_EQ(part(request("POST", "/job/nightly")), Part::Event);
  EXPECT_EQ(part(request("POST", "/configuration/c/limit")), Part::Event);
  EXPECT_EQ(part(request("POST", "/configuration/all/x/y")), Part::Event);
  for (const auto& [method, path] :
       std::initializer_list<std::pair<const char*, const char*>>{{"GET", "/cron"},
                                                                  {"PUT", "/cron"},
                                                                  {"POST", "/healthz"},
                                                                  {"POST", "/job/other"},
                                                                  {"POST", "/configuration/c/other"},
                                                                  {"POST", "/configuration/all/"},
                                                                  {"GET", "/dapr/topic/p/t/f"},
                                                                  {"POST", "/dapr/config"},
                                                                  {"GET", "/"}}) {
    EXPECT_EQ(part(request(method, path)), std::nullopt) << method << " " << path;
  }
}

TEST_F(AppChannelTest, LetsNoOtherAppForgeAnEvent) {
  for (const auto& [method, path] :
       std::initializer_list<std::pair<const char*, const char*>>{{"POST", "/cron"},
                                                                  {"POST", "/dapr/topic/p/t/f"},
                                                                  {"POST", "/dapr/topic/gone"},
                                                                  {"GET", "/dapr/subscribe"},
                                                                  {"OPTIONS", "/cron"}}) {
    EXPECT_EQ(part(request(method, path, {{"Dapr-Caller-App-Id", "b"}})), std::nullopt) << method << " " << path;
  }
}

TEST_F(AppChannelTest, KnowsTheProbeAsItIsSent) {
  EXPECT_TRUE(channel->is_probe("GET", "/healthz"));
  EXPECT_TRUE(channel->is_probe("GET", "/healthz?x=1"));
  for (const char* target : {"/healthz/", "/healthzz", "//healthz", "/%68ealthz", "/healthz#", "*", ""}) {
    EXPECT_FALSE(channel->is_probe("GET", target)) << target;
  }
  EXPECT_FALSE(channel->is_probe("POST", "/healthz"));
  EXPECT_FALSE(channel->is_probe("HEAD", "/healthz"));
}

TEST_F(AppChannelTest, AnswersWhatDaprAsksAboutTheApp) {
  run(request("GET", "/healthz"));
  EXPECT_EQ(answer(), "200 ");
  run(request("GET", "/dapr/config"));
  EXPECT_EQ(answer(), "200 {\"entities\":[\"Counter\",\"Told\"]}");
  run(request("GET", "/dapr/subscribe"));
  EXPECT_EQ(answer(), "200 []");
  EXPECT_EQ(*outcome->fields.find("content-type"), "application/json");
  run(request("OPTIONS", "/cron"));
  EXPECT_EQ(answer(), "200 ");
}

TEST_F(AppChannelTest, LeavesTheQuestionsToAFunctionThatWantsThem) {
  settings.triggers.clear();
  make({route("", "/*", FunctionTarget{})});
  EXPECT_EQ(part(request("GET", "/dapr/config")), Part::Config) << "or Dapr would not know of its actors";
  settings.actors.clear();
  make({route("", "/*", FunctionTarget{})});
  EXPECT_EQ(part(request("GET", "/dapr/config")), std::nullopt);
  EXPECT_EQ(part(request("GET", "/dapr/subscribe")), std::nullopt);
  EXPECT_EQ(part(request("OPTIONS", "/queue")), std::nullopt);
  make({route("", "/*", TextTarget{"page"})});
  EXPECT_EQ(part(request("GET", "/dapr/config")), Part::Config);
  EXPECT_EQ(part(request("GET", "/dapr/subscribe")), Part::Subscriptions);
}

TEST_F(AppChannelTest, DoesNotOfferWhatNoTriggerTakes) {
  make({route("GET", "/queue", TextTarget{"page"})});
  run(request("OPTIONS", "/queue"));
  EXPECT_EQ(answer(), "404 problem") << "405 would count as a yes";
  EXPECT_EQ(part(request("OPTIONS", "/queue", {{"access-control-request-method", "GET"}})), std::nullopt)
      << "a preflight";
  EXPECT_EQ(part(request("OPTIONS", "/job/nightly")), Part::Nothing);
}

TEST_F(AppChannelTest, CallsTheFunctionWithTheDataAndTheAttributes) {
  Call call =
      event("/dapr/topic/p/t/f",
            R"({"id":"7","source":"shop","datacontenttype":"text/plain","data":"hi","pubsubname":"p","topic":"t"})");
  call.id = "request-0123456789";
  call.peer = "127.0.0.1:1";
  call.trace.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  run(std::move(call));
  ASSERT_EQ(invoker.started.size(), 1U);
  const ScriptedInvoker::Started& started = invoker.started[0];
  EXPECT_EQ(started.data, "hi");
  EXPECT_EQ(started.call.id, "request-0123456789");
  EXPECT_EQ(started.call.caller, "dapr");
  EXPECT_EQ(started.call.peer, "127.0.0.1:1");
  EXPECT_TRUE(started.call.trace.traceparent.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
  EXPECT_EQ(*started.call.fields.find("content-type"), "text/plain");
  EXPECT_EQ(*started.call.variables.find("CE_ID"), "7");
  EXPECT_EQ(*started.call.variables.find("CE_SOURCE"), "shop");
  EXPECT_EQ(*started.call.variables.find("CE_TOPIC"), "t");
  EXPECT_EQ(*started.call.variables.find("DAPR_TRIGGER"), "topic");
  EXPECT_EQ(answer(), "none");
  invoker.end(0, ok());
  EXPECT_EQ(answer(), "200 {\"status\":\"SUCCESS\"}");
  EXPECT_EQ(outcome->reason, Reason::Ok);
  EXPECT_EQ(outcome->function, "f");
}

TEST_F(AppChannelTest, TakesBinaryEvents) {
  Call call = event("/dapr/topic/p/t/f", "\x01 {");
  call.fields.add("ce_id", "9");
  run(std::move(call));
  EXPECT_EQ(invoker.started.at(0).data, "\x01 {");
  EXPECT_EQ(*invoker.started[0].call.variables.find("CE_ID"), "9");
  EXPECT_EQ(*invoker.started[0].call.variables.find("CE_TOPIC"), "t");
  invoker.end(0, ok());
}

std::string named(std::string_view data) {
  return fmt::format(R"({{"id":"1","datacontenttype":"text/plain","data":"{}"}})", data);
}

TEST_F(AppChannelTest, SaysWhatBecomesOfATopicsEvent) {
  invoker.at_once = as_named;
  const auto status = [&](const std::string& path, const std::string& data) {
    run(event(path, named(data)));
    return answer();
  };
  const std::string retry = "200 {\"status\":\"RETRY\"}";
  const std::string drop = "200 {\"status\":\"DROP\"}";
  EXPECT_EQ(status("/dapr/topic/p/t/f", "fine"), "200 {\"status\":\"SUCCESS\"}");
  EXPECT_EQ(status("/dapr/topic/p/t/f", "bad-input"), drop);
  EXPECT_EQ(outcome->reason, Reason::BadInput) << "logs and metrics say how the call ended";
  EXPECT_EQ(outcome->message, "the event is dropped");
  for (const char* reason : {"trap", "limit-cpu", "limit-wall", "limit-memory", "overloaded", "draining", "denied",
                             "function-failed", "internal"}) {
    EXPECT_EQ(status("/dapr/topic/p/t/f", reason), retry) << reason;
    EXPECT_EQ(outcome->reason, reason_from_name(reason));
    EXPECT_EQ(status("/stubborn", reason), drop) << reason;
  }
  EXPECT_EQ(status("/stubborn", "bad-input"), retry);
}

TEST_F(AppChannelTest, DropsWhatIsNoEvent) {
  for (const std::string& body : {std::string("{"), std::string("[]"), std::string(), std::string(3000, ' ')}) {
    run(event("/dapr/topic/p/t/f", body));
    EXPECT_EQ(answer(), "200 {\"status\":\"DROP\"}") << body;
    EXPECT_TRUE(is_bad_input(outcome->reason)) << name(outcome->reason);
  }
  EXPECT_TRUE(invoker.started.empty());
}

TEST_F(AppChannelTest, HasEventsForTopicsThatAreGoneBroughtAgain) {
  run(event("/dapr/topic/p/old/f", named("x")));
  EXPECT_EQ(answer(), "200 {\"status\":\"RETRY\"}");
}

TEST_F(AppChannelTest, AnswersBindingsByStatus) {
  Call call =
      request("POST", "/cron", {{"Content-Type", "application/json"}, {"Host", "h"}, {"readTimeUTC", "now"}}, "data");
  run(std::move(call));
  ASSERT_EQ(invoker.started.size(), 1U);
  EXPECT_EQ(invoker.started[0].data, "data");
  EXPECT_EQ(*invoker.started[0].call.variables.find("DAPR_BINDING"), "cron");
  EXPECT_EQ(*invoker.started[0].call.variables.find("DAPR_METADATA_READTIMEUTC"), "now");
  EXPECT_EQ(invoker.started[0].call.variables.size(), 3U) << "what is HTTP's own is no metadata";
  invoker.end(0, ok("reply"));
  EXPECT_EQ(answer(), "200 reply") << "the component may want it";
  invoker.at_once = as_named;
  const auto status = [&](const std::string& data) {
    run(request("POST", "/cron", {}, data));
    return answer();
  };
  EXPECT_EQ(status("bad-input"), "200 ") << "dropped";
  EXPECT_EQ(outcome->reason, Reason::BadInput);
  EXPECT_EQ(status("trap"), "500 problem");
  EXPECT_EQ(status("overloaded"), "503 problem");
}

TEST_F(AppChannelTest, AnswersJobsByStatus) {
  invoker.at_once = as_named;
  const auto status = [&](const std::string& data) {
    run(request("POST", "/job/nightly", {}, data));
    return outcome->status;
  };
  EXPECT_EQ(status("{\"a\":1}"), 200);
  EXPECT_EQ(status("bad-input"), 404) << "the sidecar drops it";
  EXPECT_EQ(status("limit-wall"), 504);
  EXPECT_EQ(invoker.seen.at(0), "{\"a\":1}");
}

TEST_F(AppChannelTest, TellsConfigurationByKey) {
  const std::string body = R"({"id":"s","items":{"limit":{"value":"5","version":"2"},"x/y":{"value":"z"}}})";
  run(request("POST", "/configuration/c/limit", {}, body));
  run(request("POST", "/configuration/all/x/y", {}, body));
  ASSERT_EQ(invoker.started.size(), 2U);
  EXPECT_EQ(invoker.started[0].data, "5");
  EXPECT_EQ(*invoker.started[0].call.variables.find("DAPR_CONFIGURATION_KEY"), "limit");
  EXPECT_EQ(*invoker.started[0].call.variables.find("DAPR_CONFIGURATION_STORE"), "c");
  EXPECT_EQ(*invoker.started[0].call.variables.find("DAPR_CONFIGURATION_VERSION"), "2");
  EXPECT_EQ(invoker.started[1].data, "z");
  EXPECT_EQ(*invoker.started[1].call.variables.find("DAPR_CONFIGURATION_KEY"), "x/y");
  const auto end = [&](Reason reason) {
    outcome.reset();
    invoker.end(0, reason == Reason::Ok ? ok() : refusal(reason));
    return outcome->status;
  };
  EXPECT_EQ(end(Reason::Ok), 200);
  EXPECT_EQ(end(Reason::Trap), 500);
}

TEST_F(AppChannelTest, WorksOnManyEventsAFewAtATime) {
  run(bulk({"a", "b", "c", "d"}));
  ASSERT_EQ(invoker.started.size(), 2U);
  EXPECT_EQ(invoker.started[0].data, "a");
  EXPECT_NE(invoker.started[0].call.id, invoker.started[1].call.id);
  EXPECT_EQ(*invoker.started[1].call.variables.find("CE_ID"), "b");
  invoker.end(1, ok());
  ASSERT_EQ(invoker.started.size(), 2U);
  EXPECT_EQ(invoker.started[1].data, "c");
  invoker.end(0, refusal(Reason::BadInput));
  invoker.end(0, refusal(Reason::Trap));
  EXPECT_EQ(answer(), "none");
  invoker.end(0, ok());
  EXPECT_EQ(answer(), R"(200 {"statuses":[{"entryId":"a","status":"DROP"},{"entryId":"b","status":"SUCCESS"},)"
                      R"({"entryId":"c","status":"RETRY"},{"entryId":"d","status":"SUCCESS"}]})");
  EXPECT_EQ(outcome->reason, Reason::BadInput) << "of the first that did not end well";
  EXPECT_TRUE(outcome->message.starts_with("2 of 4 events did not end well")) << outcome->message;
}

TEST_F(AppChannelTest, WorksOnManyEventsThatEndAtOnce) {
  invoker.at_once = as_named;
  std::string body;
  std::string expected;
  for (int i = 0; i < 1000; ++i) {  // without deepening the stack for each
    body += fmt::format(R"({}{{"entryId":"{}","event":{{"data":"trap","datacontenttype":"text/plain"}}}})",
                        i == 0 ? "" : ",", i);
    expected += fmt::format(R"({}{{"entryId":"{}","status":"RETRY"}})", i == 0 ? "" : ",", i);
  }
  run(event("/dapr/topic/p/t/f", "{\"entries\":[" + body + "]}", "application/json; charset=utf-8"));
  EXPECT_EQ(answer(), "200 {\"statuses\":[" + expected + "]}");
  EXPECT_EQ(outcome->function, "f");
  run(bulk({}));
  EXPECT_EQ(answer(), "200 {\"statuses\":[]}");
}

TEST_F(AppChannelTest, DropsTheEventsOfManyThatAreNone) {
  invoker.at_once = as_named;
  run(event("/dapr/topic/p/t/f",
            R"({"entries":[{"entryId":"1","event":"*"},{"entryId":"2","event":"AQI="},{"entryId":"3","event":[]}]})",
            "application/json"));
  EXPECT_EQ(answer(), R"(200 {"statuses":[{"entryId":"1","status":"DROP"},{"entryId":"2","status":"SUCCESS"},)"
                      R"({"entryId":"3","status":"DROP"}]})");
  EXPECT_EQ(invoker.seen, std::vector<std::string>{"\x01\x02"});
}

TEST_F(AppChannelTest, HasManyBroughtAgainWhenItCannotTellThemApart) {
  run(event("/dapr/topic/p/t/f", "{\"entries\":[{}]}", "application/json"));
  EXPECT_EQ(answer(), "400 problem");
  run(event("/dapr/topic/p/t/f", std::string((1U << 20U) + 1, ' '), "application/json"));
  EXPECT_EQ(answer(), "413 problem");
}

TEST_F(AppChannelTest, CancelsWhatASidecarDoesNotWaitForAnyMore) {
  Call call = bulk({"a", "b", "c"});
  const auto cancellation = call.cancellation;
  run(std::move(call));
  ASSERT_EQ(invoker.started.size(), 2U);
  invoker.started[0].call.cancellation->listen([&](Reason why) { invoker.end(0, refusal(why)); });
  cancellation->cancel(Reason::Cancelled);  // the second one takes its time
  ASSERT_EQ(invoker.started.size(), 1U) << "and no other begins";
  EXPECT_TRUE(invoker.started[0].call.cancellation->cancelled());
  invoker.end(0, refusal(Reason::Cancelled));
  EXPECT_TRUE(invoker.started.empty());
  EXPECT_EQ(outcome->reason, Reason::Cancelled);
}

TEST_F(AppChannelTest, WaitsForBodiesThatComeLate) {
  BodySource::OnChunk reader;
  Call call = event("/dapr/topic/p/t/f", "");
  call.body = std::make_unique<LateBody>(reader);
  run(std::move(call));
  reader(BodySource::Chunk{"{\"data\":", false});
  reader(BodySource::Chunk{"7}", true});
  EXPECT_EQ(invoker.started.at(0).data, "7");
  invoker.end(0, ok());
  EXPECT_EQ(answer(), "200 {\"status\":\"SUCCESS\"}");
}

TEST_F(AppChannelTest, HasWhatDidNotComeWholeBroughtAgain) {
  BodySource::OnChunk reader;
  Call call = event("/dapr/topic/p/t/f", "");
  call.body = std::make_unique<LateBody>(reader);
  run(std::move(call));
  reader(fail(Reason::RequestTimeout, "too slow"));
  EXPECT_EQ(answer(), "408 problem");
}

TEST_F(AppChannelTest, LetsGoOfWhatIsUnderWayWhenItEnds) {
  BodySource::OnChunk reader;
  Call call = event("/dapr/topic/p/t/f", "");
  call.body = std::make_unique<LateBody>(reader);
  run(std::move(call));
  channel.reset();
  reader(BodySource::Chunk{"{}", true});  // to nobody
  EXPECT_EQ(answer(), "none");
}

TEST_F(AppChannelTest, CallsTheFunctionOfAnActor) {
  run(request("PUT", "/actors/Counter/a:7/method/add",
              {{"Content-Type", "text/plain"}, {"Dapr-Reentrancy-Id", "chain"}, {"Dapr-Caller-App-Id", "b"}}, "3"));
  ASSERT_EQ(invoker.started.size(), 1U);
  const ScriptedInvoker::Started& started = invoker.started[0];
  EXPECT_EQ(started.data, "3");
  EXPECT_EQ(*started.call.fields.find("content-type"), "text/plain");
  EXPECT_EQ(*started.call.variables.find("DAPR_TRIGGER"), "actor");
  EXPECT_EQ(*started.call.variables.find("DAPR_ACTOR_ID"), "a:7");
  ASSERT_TRUE(started.call.actor);
  EXPECT_EQ(started.call.actor->type, "Counter");
  EXPECT_EQ(started.call.actor->id, "a:7");
  EXPECT_EQ(started.call.actor->reentrancy, "chain");
  Outcome outcome_of_it = ok("10");
  outcome_of_it.status = 201;
  invoker.end(0, std::move(outcome_of_it));
  EXPECT_EQ(answer(), "200 10");
  run(event("/dapr/topic/p/t/f", "{}"));
  EXPECT_FALSE(invoker.started.at(0).call.actor) << "an event is no actor's";
  invoker.end(0, ok());
}

TEST_F(AppChannelTest, TakesNoReentrancyThatIsNone) {
  for (const auto& fields : {Fields{{"Dapr-Reentrancy-Id", std::string(129, 'x')}},
                             Fields{{"Dapr-Reentrancy-Id", "a"}, {"Dapr-Reentrancy-Id", "b"}}, Fields{}}) {
    run(request("PUT", "/actors/Counter/7/method/add", fields));
    EXPECT_EQ(invoker.started.at(0).call.actor->reentrancy, "");
    invoker.end(0, ok());
  }
}

TEST_F(AppChannelTest, AnswersActorsByStatus) {
  invoker.at_once = as_named;
  const auto status = [&](const std::string& path, const std::string& data) {
    run(request("PUT", path, {}, data));
    return outcome->status;
  };
  EXPECT_EQ(status("/actors/Counter/7/method/add", "fine"), 200);
  EXPECT_EQ(status("/actors/Counter/7/method/add", "bad-input"), 422);
  EXPECT_EQ(status("/actors/Counter/7/method/add", "trap"), 500);
  EXPECT_EQ(status("/actors/Counter/7/method/add", std::string(3000, 'x')), 413);
  const auto with = [](const std::string& data) { return "{\"data\":" + data + "}"; };
  invoker.at_once = [](const std::string& data) { return as_named(data.substr(1, data.size() - 2)); };
  EXPECT_EQ(status("/actors/Counter/7/method/remind/r", with("\"fine\"")), 200);
  EXPECT_EQ(status("/actors/Counter/7/method/remind/r", with("\"trap\"")), 500) << "the scheduler tries again";
  EXPECT_EQ(outcome->message, "the event is to be brought again");
  EXPECT_EQ(status("/actors/Counter/7/method/timer/r", with("\"bad-input\"")), 200) << "dropped";
  EXPECT_EQ(outcome->reason, Reason::BadInput);
  EXPECT_EQ(outcome->message, "the event is dropped");
  EXPECT_EQ(status("/actors/Counter/7/method/remind/r", "no json"), 200) << "dropped";
  EXPECT_EQ(outcome->reason, Reason::BadRequest);
}

/// A sidecar that is told to forget reminders.
class ForgettingBlocks final : public BlocksWithoutGuests {
 public:
  std::shared_ptr<void> publish(const dapr::Publication&, dapr::Terms, OnDone) override { return nullptr; }
  std::shared_ptr<void> save_state(const dapr::StateEntry&, dapr::Terms, OnDone) override { return nullptr; }
  std::shared_ptr<void> get_state(const dapr::StateKey&, dapr::Terms, OnValue) override { return nullptr; }
  std::shared_ptr<void> invoke_binding(const dapr::BindingRequest&, dapr::Terms, OnDone) override { return nullptr; }
  std::shared_ptr<void> set_recurrence(const dapr::ActorRecurrence& recurrence, SharedBytes what, dapr::Terms,
                                       OnDone done) override {
    EXPECT_FALSE(what);
    forgotten.push_back(fmt::format("{} {}/{}/{}",
                                    recurrence.kind == dapr::ActorRecurrence::Kind::Reminder ? "reminder" : "timer",
                                    recurrence.actor.type, recurrence.actor.id, recurrence.name));
    waiting = std::move(done);
    return std::make_shared<int>();
  }
  std::vector<std::string> forgotten;
  OnDone waiting;
};

TEST_F(AppChannelTest, LetsAFunctionEndAReminder) {
  const auto ask = [&](const std::string& path, std::string_view said) {
    run(request("PUT", path, {}, "{}"));
    Outcome last = ok();
    last.fields.add("X-Daprremindercancel", std::string(said));
    invoker.end(0, std::move(last));
  };
  ask("/actors/Counter/7/method/remind/r", "true");
  EXPECT_EQ(*outcome->fields.find("x-daprremindercancel"), "true") << "without a sidecar Dapr is only told";
  ForgettingBlocks blocks;
  make({}, &blocks);
  ask("/actors/Counter/7/method/remind/r", "true");
  EXPECT_FALSE(outcome) << "it is forgotten first";
  blocks.waiting({});
  EXPECT_EQ(outcome->status, 200);
  EXPECT_EQ(*outcome->fields.find("x-daprremindercancel"), "true");
  ask("/actors/Counter/7/method/remind/s", "True");
  blocks.waiting(fail(Reason::UpstreamFailed, "nobody is there"));
  EXPECT_EQ(outcome->status, 200) << "it comes again, and can be ended then";
  EXPECT_EQ(outcome->message, "the reminder could not be ended: nobody is there");
  EXPECT_EQ(blocks.forgotten, (std::vector<std::string>{"reminder Counter/7/r", "reminder Counter/7/s"}));
  ask("/actors/Counter/7/method/timer/t", "true");
  EXPECT_EQ(*outcome->fields.find("x-daprremindercancel"), "true");
  ask("/actors/Counter/7/method/remind/r", "false");
  EXPECT_EQ(outcome->status, 200);
  ask("/actors/Counter/7/method/add", "true");
  EXPECT_EQ(outcome->status, 200);
  EXPECT_EQ(blocks.forgotten.size(), 2U);
  ask("/actors/Counter/7/method/remind/r", "true");
  channel.reset();  // which gives it up
  EXPECT_FALSE(outcome);
}

TEST_F(AppChannelTest, LetsNoFieldMakeAnErrorOfATicksAnswer) {
  for (const char* path : {"/actors/Counter/7/method/remind/r", "/actors/Counter/7/method/timer/t"}) {
    run(request("PUT", path, {}, "{}"));
    Outcome last = ok();
    last.fields.add("X-Daprerrorresponseheader", "true");
    invoker.end(0, std::move(last));
    EXPECT_EQ(outcome->status, 200) << path;
    EXPECT_EQ(outcome->fields.find("x-daprerrorresponseheader"), nullptr) << path;
  }
}

TEST_F(AppChannelTest, TellsOfDeactivationsWhoWantsToKnow) {
  run(request("DELETE", "/actors/Counter/7"));
  EXPECT_EQ(answer(), "200 ");
  run(request("DELETE", "/actors/Told/7"));
  EXPECT_EQ(answer(), "none");
  EXPECT_EQ(*invoker.started.at(0).call.variables.find("DAPR_TRIGGER"), "actor-deactivation");
  invoker.end(0, ok("bye"));
  EXPECT_EQ(answer(), "200 bye");
}

TEST_F(AppChannelTest, GivesNobodyATurnThatDaprDidNot) {
  const auto taken = [&](std::string method, std::string path, Fields fields) {
    return part(request(std::move(method), std::move(path), std::move(fields)));
  };
  const std::string actor = "/actors/Told/7";
  const Fields caller = {{"dapr-caller-app-id", "b"}};
  const Fields invoked = {{"dapr-caller-app-id", "b"}, {"Dapr-Callee-App-Id", "a"}};
  EXPECT_EQ(taken("PUT", actor + "/method/m", {}), Part::Actor);
  EXPECT_EQ(taken("PUT", actor + "/method/m", caller), Part::Actor) << "as a sidecar says who calls a method";
  EXPECT_EQ(taken("PUT", actor + "/method/m", invoked), std::nullopt);
  for (const std::string& path : {actor + "/method/remind/r", actor + "/method/timer/t"}) {
    EXPECT_EQ(taken("PUT", path, {}), Part::Actor) << path;
    EXPECT_EQ(taken("PUT", path, caller), std::nullopt) << path;
    EXPECT_EQ(taken("PUT", path, invoked), std::nullopt) << path;
  }
  EXPECT_EQ(taken("DELETE", actor, {}), Part::Actor);
  EXPECT_EQ(taken("DELETE", actor, caller), std::nullopt);
  EXPECT_EQ(taken("PUT", "/actors/Other/7/method/m", {}), std::nullopt);
  EXPECT_EQ(taken("POST", actor + "/method/m", {}), std::nullopt);
}

TEST_F(AppChannelTest, RefusesIdsThatCouldBeReadInTwoWays) {
  const Call call = request("PUT", "/actors/Counter/aA/method/m");
  EXPECT_EQ(channel->match(call, "/actors/Counter/aA/method/m")->part, Part::Actor);
  auto taken = channel->match(call, "/actors/Counter/a%41/method/m");
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->part, Part::Refused);
  channel->run(std::move(*taken), request("PUT", "/actors/Counter/aA/method/m"),
               [&](Outcome end) { outcome = std::move(end); });
  EXPECT_EQ(outcome->status, 400);
  EXPECT_EQ(outcome->reason, Reason::BadRequest);
}

TEST(Subscriptions, AreWrittenAsDaprReadsThem) {
  Subscription plain{"pubsub", "orders", {{"", "/a"}}, {}, {}, {}};
  Subscription all{"p\"",  "t", {{"event.type == \"x\"", "/b"}, {"true", "/c"}, {"", "/d"}},
                   "dead", {},  {{"rawPayload", "true"}}};
  all.bulk = Subscription::Bulk{10, std::chrono::milliseconds(1500)};
  Subscription rules{"p", "t", {{"true", "/e"}}, {}, {}, {}};
  EXPECT_EQ(
      subscriptions_document(std::vector{plain, all, rules}),
      R"([{"pubsubname":"pubsub","topic":"orders","routes":{"rules":[],"default":"/a"}},)"
      R"({"pubsubname":"p\"","topic":"t","routes":{"rules":[{"match":"event.type == \"x\"","path":"/b"},)"
      R"({"match":"true","path":"/c"}],"default":"/d"},"deadLetterTopic":"dead","metadata":{"rawPayload":"true"},)"
      R"("bulkSubscribe":{"enabled":true,"maxMessagesCount":10,"maxAwaitDurationMs":1500}},)"
      R"({"pubsubname":"p","topic":"t","routes":{"rules":[{"match":"true","path":"/e"}]}}])");
  EXPECT_EQ(subscriptions_document({}), "[]");
}

}  // namespace
}  // namespace trilby::triggers
