// Spans of requests, calls, events and what goes out: which there are, and which is below which.

#include <algorithm>
#include <optional>

#include <gtest/gtest.h>

#include "dapr/embedded/service_invocation.h"
#include "dapr/nearest_invocation.h"
#include "observe/test_spans.h"
#include "triggers/http_front.h"
#include "triggers/test_fakes.h"

namespace trilby::triggers {
namespace {

using observe::ReadSpan;

constexpr const char* kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr const char* kParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

class SpansTest : public testing::Test {
 protected:
  void SetUp() override {
    Route function;
    function.method = "POST";
    function.path = "/f/*";
    function.target = FunctionTarget{nullptr, 1_KiB, labels.add_function("gray")};
    function.label = labels.add_route("api", "POST /f/*");
    Route away;
    away.path = "/away";
    away.target = InvokeTarget{"other", "/x"};
    away.label = labels.add_route("api", "/away");
    EventTrigger& trigger = settings.triggers.emplace_back();
    trigger.path = "/dapr/topic/p/t/f";
    trigger.component = "p";
    trigger.subject = "t";
    trigger.function = {nullptr, 1_KiB, labels.add_function("event")};
    trigger.event_limit = trigger.bulk_limit = 8_KiB;
    trigger.at_once = 2;
    trigger.label = labels.add_route("api", "topic p/t");
    EventTrigger& actor = settings.actors.emplace_back(trigger);
    actor.kind = EventTrigger::Kind::Actor;
    actor.path = "/actors/Counter";
    actor.component = "Counter";
    actor.subject.clear();
    actor.label = labels.add_route("api", "actor Counter");
    settings.health_path = "/healthz";
    settings.own_label = labels.add_route("api", "dapr");
    const std::size_t unmatched = labels.add_route("api", "");
    metrics.emplace(labels);
    invoker.at_once = as_named;
    // The other app's own call would be below the invocation.
    local.add_app("other", [this](Call call, const OnOutcome& done) {
      invoked = std::move(call);
      done(far_answer());
    });
    router.emplace("api", std::make_shared<const RouteTable>(std::vector{function, away}),
                   LoopServices{invoker, invocation, *metrics, ids, calls, nullptr, nullptr, &tracer});
    channel.emplace(std::make_shared<const AppTriggers>(settings), *router, ids, nullptr);
    front.emplace(FrontOptions{"", &*channel}, *router,
                  FrontServices{"api", *metrics, ids, nullptr, unmatched, &tracer});
  }

  void send(std::string method, std::string target, Fields fields = {}, std::string body = {}) {
    auto exchange = std::make_shared<FakeExchange>();
    exchange->head_ = {std::move(method), std::move(target), std::move(fields)};
    exchange->body = std::move(body);
    front->handle(exchange);
    if (exchange->response) {
      finish(*exchange->response);
    }
  }
  /// In the order in which they ended.
  std::vector<ReadSpan> spans() {
    std::vector<ReadSpan> all;
    for (const observe::SpanBatch& batch : queue.take()) {
      for (ReadSpan& span : observe::read_spans(batch.spans)) {
        all.push_back(std::move(span));
      }
    }
    return all;
  }
  /// "name (kind) below name"
  static std::string shape(const std::vector<ReadSpan>& all) {
    std::string text;
    for (const ReadSpan& span : all) {
      const auto above =
          std::find_if(all.begin(), all.end(), [&](const ReadSpan& one) { return one.id == span.parent; });
      text += fmt::format("{} ({}) below {}\n", span.name, span.kind, above == all.end() ? span.parent : above->name);
    }
    return text;
  }

  observe::Labels labels;
  observe::IdSource ids;
  std::atomic<std::size_t> backlog{0};
  observe::Counter dropped;
  observe::SpanQueue queue{1, backlog, dropped, [] {}};
  observe::Tracer tracer{queue, 0, observe::Sampler(), ids, labels};
  AppTriggers::Settings settings;
  std::optional<observe::LoopMetrics> metrics;
  observe::CallRing calls{16};
  ScriptedInvoker invoker;
  dapr::embedded::LocalInvocation local;
  dapr::NearestInvocation invocation{local, nullptr, &tracer};
  std::optional<Call> invoked;
  std::function<Outcome()> far_answer = [] { return ok(); };
  std::optional<Router> router;
  std::optional<AppChannel> channel;
  std::optional<HttpFront> front;
};

TEST_F(SpansTest, ACallIsBelowItsRequest) {
  send("POST", "/f/x?secret", {{"traceparent", kParent}}, "trap");
  const auto all = spans();
  EXPECT_EQ(shape(all), "gray (1) below POST /f/*\nPOST /f/* (2) below 00f067aa0ba902b7\n");
  EXPECT_EQ(all[0].trace, kTrace);
  EXPECT_EQ(all[1].trace, kTrace);
  EXPECT_EQ(all[1].attributes.at("url.path"), "/f/x");
  EXPECT_EQ(all[1].attributes.at("http.route"), "/f/*");
  EXPECT_EQ(all[1].attributes.at("error.type"), "trap");
  EXPECT_EQ(all[0].attributes.at("trilby.reason"), "trap");
}

/// Ends well, with that status.
Outcome answered(int status) {
  Outcome outcome = ok();
  outcome.status = status;
  return outcome;
}

TEST_F(SpansTest, TheStatusIsTheErrorWhereNothingElseIs) {
  invoker.at_once = [](const std::string& data) { return answered(std::stoi(data)); };
  send("POST", "/f/x", {}, "503");
  EXPECT_EQ(spans().at(1).attributes.at("error.type"), "503");
  send("POST", "/f/x", {}, "404");
  EXPECT_EQ(spans().at(1).status, 0U) << "the caller's fault";

  far_answer = [] { return answered(502); };
  send("GET", "/away");
  const auto failed = spans();
  EXPECT_EQ(failed.at(0).attributes.at("error.type"), "502") << "of who asked";
  EXPECT_EQ(failed.at(1).attributes.at("error.type"), "502") << "of who answered";
  far_answer = [] { return answered(404); };
  send("GET", "/away");
  const auto missed = spans();
  EXPECT_EQ(missed.at(0).status, 2U) << "who asked did not get it";
  EXPECT_EQ(missed.at(0).attributes.at("error.type"), "404");
  EXPECT_EQ(missed.at(1).status, 0U);

  send("POST", "/dapr/topic/p/t/f", {{"content-type", "application/cloudevents+json"}},
       R"({"id":"7","data":"404","datacontenttype":"text/plain"})");
  const auto event = spans();
  EXPECT_EQ(event.at(1).attributes.at("trilby.verdict"), "DROP");
  EXPECT_EQ(event.at(1).attributes.at("error.type"), "404");
}

/// Ends with an error after its first chunk.
class BreakingBody final : public BodySource {
 public:
  explicit BreakingBody(Reason reason) : reason_(reason) {}
  void read(OnChunk on_chunk) override {
    if (std::exchange(has_begun_, true)) {
      return on_chunk(fail(reason_, "no more"));
    }
    on_chunk(Chunk{"x", false});
  }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return std::nullopt; }

 private:
  const Reason reason_;
  bool has_begun_ = false;
};

TEST_F(SpansTest, AnAnswerThatBreaksOffHasFailed) {
  Reason reason = Reason::UpstreamFailed;
  far_answer = [&] {
    Outcome outcome = ok();
    outcome.body = std::make_unique<BreakingBody>(reason);
    return outcome;
  };
  send("GET", "/away");
  const ReadSpan broken = spans().at(1);
  EXPECT_EQ(broken.attributes.at("http.response.status_code"), "200");
  EXPECT_EQ(broken.attributes.at("error.type"), "upstream-failed");
  EXPECT_EQ(broken.status, 2U);
  reason = Reason::Cancelled;
  send("GET", "/away");
  EXPECT_EQ(spans().at(1).status, 0U) << "who asked went away";
}

TEST_F(SpansTest, PassesOnAllThatTracestateSays) {
  send("GET", "/away", {{"traceparent", kParent}, {"tracestate", "a=1"}, {"Tracestate", "b=2,c=3"}});
  EXPECT_EQ(invoked->trace.tracestate, "a=1,b=2,c=3");
  const auto all = spans();
  EXPECT_EQ(all.at(0).state, "a=1,b=2,c=3");
  EXPECT_EQ(all.at(1).state, "a=1,b=2,c=3");
  EXPECT_EQ(all.at(0).flags, 0x101U) << "below ours";
  EXPECT_EQ(all.at(1).flags, 0x301U) << "below another's";
  send("GET", "/away",
       {{"traceparent", kParent}, {"tracestate", std::string(256, 'a')}, {"tracestate", std::string(255, 'b')}});
  EXPECT_EQ(invoked->trace.tracestate.size(), 512U);
  send("GET", "/away",
       {{"traceparent", kParent}, {"tracestate", std::string(256, 'a')}, {"tracestate", std::string(256, 'b')}});
  EXPECT_EQ(invoked->trace.tracestate, "") << "too long together";
}

TEST_F(SpansTest, WhatIsInvokedIsToldTheSpanOfTheInvocation) {
  send("GET", "/away");
  const auto all = spans();
  EXPECT_EQ(shape(all), "invoke other (3) below /away\n/away (2) below \n");
  ASSERT_TRUE(invoked);
  EXPECT_EQ(invoked->trace.traceparent, fmt::format("00-{}-{}-01", all[0].trace, all[0].id));
}

TEST_F(SpansTest, AnEventIsLinkedToWhoPublishedIt) {
  send("POST", "/dapr/topic/p/t/f", {{"content-type", "application/cloudevents+json"}, {"traceparent", kParent}},
       R"({"id":"7","data":"trap","datacontenttype":"text/plain",)"
       R"("traceparent":"00-0123456789abcdef0123456789abcdef-00000000000000aa-01"})");
  const auto all = spans();
  EXPECT_EQ(shape(all),
            "event (1) below process topic p/t\n"
            "process topic p/t (5) below topic p/t\n"
            "topic p/t (2) below 00f067aa0ba902b7\n");
  const ReadSpan& event = all.at(1);
  EXPECT_EQ(event.links, std::vector<std::string>{"0123456789abcdef0123456789abcdef/00000000000000aa/301"});
  EXPECT_EQ(event.attributes.at("messaging.message.id"), "7");
  EXPECT_EQ(event.attributes.at("messaging.destination.name"), "t");
  EXPECT_EQ(event.attributes.at("trilby.component"), "p");
  EXPECT_EQ(event.attributes.at("trilby.verdict"), "RETRY");
  EXPECT_EQ(event.attributes.at("error.type"), "trap");
  EXPECT_EQ(all.at(2).attributes.count("http.route"), 0U) << "it has none";
}

TEST_F(SpansTest, EachOfManyEventsHasItsOwn) {
  const std::string entry =
      R"({"entryId":"1","event":{"id":"a","data":"x","datacontenttype":"text/plain","traceparent":)";
  send("POST", "/dapr/topic/p/t/f", {{"content-type", "application/json"}, {"traceparent", kParent}},
       R"({"entries":[)" + entry + R"("00-0123456789abcdef0123456789abcdef-00000000000000aa-01"}},)" + entry +
           R"("no context"}}]})");
  const auto all = spans();
  EXPECT_EQ(shape(all),
            "event (1) below process topic p/t\nprocess topic p/t (5) below topic p/t\n"
            "event (1) below process topic p/t\nprocess topic p/t (5) below topic p/t\n"
            "topic p/t (2) below 00f067aa0ba902b7\n");
  EXPECT_EQ(all.at(1).links.size(), 1U);
  EXPECT_TRUE(all.at(3).links.empty());
  EXPECT_NE(all.at(0).parent, all.at(2).parent);
}

TEST_F(SpansTest, RemindersAndTimersOfActorsAreEvents) {
  for (const auto& [path, what] : {std::pair{"remind", "reminder"}, std::pair{"timer", "timer"}}) {
    send("PUT", fmt::format("/actors/Counter/7/method/{}/wake", path), {{"traceparent", kParent}},
         R"({"data":"trap"})");
    const auto all = spans();
    EXPECT_EQ(shape(all),
              fmt::format("event (1) below process {0} Counter\nprocess {0} Counter (5) below actor Counter\n"
                          "actor Counter (2) below 00f067aa0ba902b7\n",
                          what));
    EXPECT_EQ(all.at(1).attributes.at("trilby.component"), "Counter");
    EXPECT_EQ(all.at(1).attributes.at("messaging.destination.name"), "Counter");
    EXPECT_EQ(all.at(1).attributes.count("trilby.verdict"), 1U);
  }
}

TEST_F(SpansTest, AReminderThatIsNoneIsAnEventToo) {
  send("PUT", "/actors/Counter/7/method/remind/wake", {{"traceparent", kParent}}, "[");
  const auto all = spans();
  EXPECT_EQ(shape(all), "process reminder Counter (5) below actor Counter\nactor Counter (2) below 00f067aa0ba902b7\n");
  EXPECT_EQ(all.at(0).attributes.at("trilby.reason"), "bad-request");
}

TEST_F(SpansTest, MethodsOfActorsAreCalls) {
  send("PUT", "/actors/Counter/7/method/wake", {{"traceparent", kParent}}, "x");
  EXPECT_EQ(shape(spans()), "event (1) below actor Counter\nactor Counter (2) below 00f067aa0ba902b7\n");
}

TEST_F(SpansTest, NothingIsRecordedOfATraceThatIsNot) {
  send("POST", "/f/x", {{"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"}}, "x");
  send("GET", "/away", {{"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"}});
  EXPECT_TRUE(spans().empty());
  EXPECT_TRUE(invoked->trace.traceparent.ends_with("-00"));
  EXPECT_TRUE(invoked->trace.traceparent.starts_with(std::string("00-") + kTrace));
}

TEST_F(SpansTest, MethodsThatNobodyKnowsAreOne) {
  send("PROPFIND", "/nowhere");
  send("GET", "/nowhere");
  const auto all = spans();
  EXPECT_EQ(all.at(0).name, "HTTP");
  EXPECT_EQ(all.at(0).attributes.at("http.request.method"), "_OTHER");
  EXPECT_EQ(all.at(0).status, 0U) << "the caller's fault";
  EXPECT_EQ(all.at(1).name, "GET");
}

}  // namespace
}  // namespace trilby::triggers
