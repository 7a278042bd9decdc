#include "triggers/http_front.h"

#include <optional>

#include <gtest/gtest.h>

#include "dapr/embedded/service_invocation.h"
#include "triggers/problem.h"
#include "triggers/test_fakes.h"

namespace trilby::triggers {
namespace {

class FakeInvoker final : public invoke::Invoker {
 public:
  void start(const std::shared_ptr<const invoke::Function>& /*function*/, Call started, OnOutcome end) override {
    call = std::move(started);
    done = std::move(end);
    if (call->cancellation) {
      call->cancellation->listen([this](Reason why) { answer(refusal(why)); });
    }
  }
  [[nodiscard]] std::size_t live() const override { return done ? 1 : 0; }
  void cancel_all(Reason why) override { call->cancellation->cancel(why); }
  void answer(Outcome outcome) { std::exchange(done, nullptr)(std::move(outcome)); }

  std::optional<Call> call;
  OnOutcome done;
};

/// What was logged, kept beyond the entry's views.
struct Line {
  std::string method, path, id, trace, function, message;
  int status = 0;
  Reason reason = Reason::Internal;
  std::uint64_t response_bytes = 0;
};

class HttpFrontTest : public testing::Test {
 protected:
  void SetUp() override {
    Route text;
    text.method = "GET";
    text.path = "/";
    text.target = TextTarget{"hello"};
    text.label = labels.add_route("api", "GET /");
    Route function;
    function.method = "POST";
    function.path = "/f";
    function.target = FunctionTarget{nullptr, Bytes{10}, labels.add_function("gray")};
    function.label = labels.add_route("api", "POST /f");
    unmatched = labels.add_route("api", "");
    metrics.emplace(labels);
    router.emplace("api", std::make_shared<const RouteTable>(std::vector{text, function}),
                   LoopServices{invoker, invocation, *metrics, ids, calls});
    make_front();
  }
  void TearDown() override {
    if (invoker.live() > 0) {  // no call outlives what serves it
      invoker.answer(refusal(Reason::Draining));
    }
  }
  /// Lets Dapr bring jobs and events of a topic.
  void make_channel() {
    AppTriggers::Settings settings;
    settings.health_path = "/healthz";
    settings.subscriptions = "[]";
    for (const auto& [kind, path] : {std::pair(EventTrigger::Kind::Job, "/job/nightly"),
                                     std::pair(EventTrigger::Kind::Topic, "/dapr/topic/p/t/f")}) {
      EventTrigger& trigger = settings.triggers.emplace_back();
      trigger.kind = kind;
      trigger.path = path;
      trigger.event_limit = trigger.bulk_limit = Bytes{1000};
    }
    channel.emplace(std::make_shared<const AppTriggers>(std::move(settings)), *router, ids, nullptr);
    options.channel = &*channel;
    make_front();
  }
  void make_front() {
    LogRequest log = [this](const observe::AccessEntry& entry) {
      lines.push_back({std::string(entry.method), std::string(entry.path), std::string(entry.request_id),
                       std::string(entry.trace_id), std::string(entry.function), std::string(entry.message),
                       entry.status, entry.reason, entry.response_bytes});
    };
    front.emplace(options, *router, FrontServices{router->app_id(), *metrics, ids, std::move(log), unmatched});
  }

  std::shared_ptr<FakeExchange> send(std::string method, std::string target, Fields fields = {},
                                     std::string body = {}) {
    auto exchange = std::make_shared<FakeExchange>();
    exchange->head_ = {std::move(method), std::move(target), std::move(fields)};
    exchange->body = std::move(body);
    front->handle(exchange);
    return exchange;
  }
  [[nodiscard]] std::string page() const {
    const observe::LoopMetrics* const loop = &*metrics;
    return observe::render_metrics(labels, {&loop, 1}, "", observe::TextFormat::Prometheus);
  }

  observe::Labels labels;
  std::size_t unmatched = 0;
  std::optional<observe::LoopMetrics> metrics;
  observe::IdSource ids;
  observe::CallRing calls{16};
  FakeInvoker invoker;
  dapr::embedded::LocalInvocation invocation;
  std::optional<Router> router;
  std::optional<AppChannel> channel;
  FrontOptions options;
  std::vector<Line> lines;
  std::optional<HttpFront> front;
};

TEST_F(HttpFrontTest, AnswersWithReasonAndRequestId) {
  const auto exchange = send("GET", "/?secret=1", {{"X-Request-Id", "caller-chose-this-id"}});
  http::Response& response = exchange->response.value();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(field(response, "trilby-reason"), "ok");
  EXPECT_EQ(field(response, "x-request-id"), "caller-chose-this-id");
  EXPECT_EQ(field(response, "x-content-type-options"), "nosniff");
  EXPECT_TRUE(lines.empty()) << "the answer is not sent yet";
  EXPECT_EQ(finish(response), "hello");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0].path, "/") << "the query stays out of the log";
  EXPECT_EQ(lines[0].response_bytes, 5U);
  EXPECT_EQ(lines[0].reason, Reason::Ok);
  EXPECT_NE(
      page().find(R"(trilby_http_requests_total{app="api",route="GET /",method="GET",status="2xx",reason="ok"} 1)"),
      std::string::npos);
  EXPECT_NE(page().find("trilby_http_requests_live 0"), std::string::npos);
}

TEST_F(HttpFrontTest, MakesAnIdWhereTheCallersIsNoneOrUnsafe) {
  for (const Fields& fields :
       {Fields{}, Fields{{"x-request-id", "short"}}, Fields{{"x-request-id", "has blanks in the id"}},
        Fields{{"x-request-id", "caller-chose-this-id"}, {"x-request-id", "caller-chose-this-id"}}}) {
    const std::string id = field(send("GET", "/", fields)->response.value(), "x-request-id");
    EXPECT_TRUE(observe::is_request_id(id));
    EXPECT_NE(id, "caller-chose-this-id");
  }
}

TEST_F(HttpFrontTest, KeepsConnectionAndControlFieldsFromGuests) {
  send("POST", "/f?a=b",
       {{"Host", "h"},
        {"Trilby-Reason", "ok"},
        {"TRILBY-X", "1"},
        {"Dapr-Api-Token", "secret"},
        {"dapr-caller-app-id", "forged"},
        {"TE", "trailers"},
        {"Upgrade", "h2c"},
        {"Proxy-Authorization", "x"},
        {"Keep-Alive", "1"},
        {"content-length", "3"},
        {"accept", "image/*"}},
       "abc");
  ASSERT_TRUE(invoker.call);
  EXPECT_EQ(invoker.call->fields.size(), 2U);
  EXPECT_EQ(*invoker.call->fields.find("host"), "h");
  EXPECT_EQ(*invoker.call->fields.find("accept"), "image/*");
  EXPECT_EQ(invoker.call->query, "a=b");
  EXPECT_EQ(invoker.call->caller, "http");
}

TEST_F(HttpFrontTest, LetsNoAnswerSpeakForTrilbyOrTheConnection) {
  const auto exchange = send("POST", "/f");
  Outcome outcome;
  outcome.reason = Reason::Ok;
  outcome.status = 200;
  outcome.fields = {{"Trilby-Reason", "forged"},  {"X-Request-Id", "forged"},       {"Connection", "close"},
                    {"Content-Length", "1"},      {"Transfer-Encoding", "chunked"}, {"x-content-type-options", "sniff"},
                    {"content-type", "image/png"}};
  outcome.body = make_body("x");
  invoker.answer(std::move(outcome));
  const http::Response& response = exchange->response.value();
  EXPECT_EQ(response.fields.size(), 4U);
  EXPECT_EQ(field(response, "trilby-reason"), "ok");
  EXPECT_EQ(field(response, "x-content-type-options"), "nosniff");
}

TEST_F(HttpFrontTest, ExplainsRefusalsWithoutWhatIsForTheOperator) {
  const auto exchange = send("POST", "/f", {{"x-request-id", "caller-chose-this-id"}});
  Outcome outcome = refusal(Reason::FunctionFailed, "it said why");
  outcome.message = "/secret/path at 10.0.0.1";
  outcome.function = "gray";
  invoker.answer(std::move(outcome));
  http::Response& response = exchange->response.value();
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(field(response, "content-type"), "application/problem+json");
  EXPECT_EQ(finish(response), problem_document(Reason::FunctionFailed, 500, "it said why", "caller-chose-this-id"));
  EXPECT_EQ(lines.at(0).message, "/secret/path at 10.0.0.1");
  EXPECT_EQ(lines.at(0).function, "gray");
}

TEST_F(HttpFrontTest, SaysWhenToComeBack) {
  const auto exchange = send("POST", "/f");
  invoker.answer(refusal(Reason::Overloaded));
  EXPECT_EQ(field(exchange->response.value(), "retry-after"), "1");
}

TEST_F(HttpFrontTest, RefusesATooLongAnnouncedBodyAtOnce) {
  const auto exchange = send("POST", "/f", {}, "01234567890");
  EXPECT_EQ(exchange->response.value().status, 413);
  EXPECT_FALSE(invoker.call);
}

TEST_F(HttpFrontTest, RefusesAmbiguousPaths) {
  for (const char* target : {"/%2e%2e/etc/passwd", "//", "/a%2fb", "*", "/\\", "http:/x"}) {
    const auto exchange = send("GET", target);
    EXPECT_EQ(exchange->response.value().status, 400) << target;
    EXPECT_EQ(field(*exchange->response, "trilby-reason"), "bad-request") << target;
  }
}

TEST_F(HttpFrontTest, TakesTheCallersDeadline) {
  const auto before = Clock::now();
  send("POST", "/f", {{"Trilby-Timeout", "250ms"}});
  const auto after = Clock::now();
  EXPECT_GE(invoker.call->deadline, before + std::chrono::milliseconds(250));
  EXPECT_LE(invoker.call->deadline, after + std::chrono::milliseconds(250));
  EXPECT_TRUE(invoker.call->fields.empty()) << "it is not for guests";
  invoker.answer(refusal(Reason::Trap));
  send("POST", "/f");
  EXPECT_EQ(invoker.call->deadline, Clock::time_point::max());
  for (const char* text : {"1ms", "1.5s", "2m", "24h", "1000us"}) {
    invoker.answer(refusal(Reason::Trap));
    send("POST", "/f", {{"trilby-timeout", text}});
    EXPECT_LT(invoker.call->deadline, Clock::time_point::max()) << text;
  }
}

TEST_F(HttpFrontTest, RefusesADeadlineThatIsNone) {
  for (const std::string text :
       {"", "10", "ms", "-1s", "+1s", "0s", "0.1us", "25h", "1e3s", "nan", "inf s", "1s2", "1 fortnight", "0x1s",
        "1..5s", "99999999999999999999999999h", "000000000000000000000000000000001s"}) {
    const auto exchange = send("POST", "/f", {{"trilby-timeout", text}});
    EXPECT_EQ(exchange->response.value().status, 400) << text;
    EXPECT_EQ(field(*exchange->response, "trilby-reason"), "bad-request") << text;
  }
  EXPECT_EQ(send("GET", "/", {{"trilby-timeout", "1s"}, {"trilby-timeout", "1s"}})->response.value().status, 400);
  EXPECT_FALSE(invoker.call);
}

TEST_F(HttpFrontTest, CancelsTheCallOfACallerWhoLeaves) {
  const auto exchange = send("POST", "/f");
  exchange->abandoned();
  exchange->response.reset();
  EXPECT_EQ(lines.at(0).status, 499);
  EXPECT_EQ(lines.at(0).reason, Reason::Cancelled);
  exchange->abandoned();  // harmless when all is over
}

TEST_F(HttpFrontTest, LogsAnAnswerThatWasNotReadWholeAsCancelled) {
  send("GET", "/");
  EXPECT_EQ(lines.at(0).reason, Reason::Cancelled);
  EXPECT_EQ(lines.at(0).status, 200);
  send("HEAD", "/");  // nobody reads that body
  EXPECT_EQ(lines.at(1).reason, Reason::Ok);
}

TEST_F(HttpFrontTest, CountsRequestsThatNeverBecameOne) {
  http::Response response = front->refuse(Reason::HeadTooLarge, "the head is over 32KiB");
  EXPECT_EQ(response.status, 431);
  EXPECT_TRUE(observe::is_request_id(field(response, "x-request-id")));
  EXPECT_NE(finish(response).find("the head is over 32KiB"), std::string::npos);
  EXPECT_EQ(lines.at(0).status, 431);
  EXPECT_NE(page().find(R"(route="",method="other",status="4xx",reason="head-too-large"} 1)"), std::string::npos);
}

TEST_F(HttpFrontTest, PassesTheTraceOnAndLogsIt) {
  const std::string parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const auto exchange = send("POST", "/f", {{"traceparent", parent}, {"tracestate", "v=1"}});
  EXPECT_EQ(invoker.call->trace.traceparent, parent) << "nobody records a span here";
  EXPECT_EQ(invoker.call->trace.tracestate, "v=1");
  invoker.answer(refusal(Reason::Trap));
  EXPECT_EQ(field(exchange->response.value(), "traceparent"), "");
  finish(*exchange->response);
  EXPECT_EQ(lines.at(0).trace, "4bf92f3577b34da6a3ce929d0e0e4736");
}

TEST_F(HttpFrontTest, AsksForTheTokenWhenThereIsOne) {
  options.token = "correct";
  make_front();
  for (const Fields& fields :
       {Fields{}, Fields{{"dapr-api-token", "wrong"}}, Fields{{"dapr-api-token", ""}},
        Fields{{"dapr-api-token", "correctcorrect"}}, Fields{{"dapr-api-token", "corr"}, {"dapr-api-token", "ect"}}}) {
    EXPECT_EQ(send("GET", "/", fields)->response.value().status, 401);
  }
  EXPECT_EQ(send("GET", "/", {{"Dapr-Api-Token", "correct"}})->response.value().status, 200);
}

TEST_F(HttpFrontTest, AsksTheProbeForNoToken) {
  options.token = "correct";
  make_channel();
  EXPECT_EQ(send("GET", "/healthz")->response.value().status, 200);
  EXPECT_EQ(send("GET", "/healthz?token=none")->response.value().status, 200);
  for (const char* target : {"/%68ealthz", "/healthz/", "/dapr/subscribe", "/dapr/config", "/", "//"}) {
    EXPECT_EQ(send("GET", target)->response.value().status, 401) << target;
  }
  EXPECT_EQ(send("POST", "/healthz")->response.value().status, 401);
  EXPECT_EQ(send("POST", "/job/nightly")->response.value().status, 401);
  EXPECT_EQ(send("OPTIONS", "/cron")->response.value().status, 401);
  EXPECT_FALSE(invoker.call);
}

TEST_F(HttpFrontTest, TakesWhatIsDaprsOnTheAppChannelOnly) {
  for (const char* target : {"/healthz", "/dapr/config", "/dapr/subscribe"}) {
    EXPECT_EQ(send("GET", target)->response.value().status, 404) << target;
  }
  EXPECT_EQ(send("POST", "/job/nightly")->response.value().status, 404);
  make_channel();
  for (const char* target : {"/healthz", "/dapr/config", "/dapr/subscribe", "/"}) {
    EXPECT_EQ(send("GET", target)->response.value().status, 200) << target;
  }
  const auto exchange = send("POST", "/job/nightly", {{"dapr-caller-app-id", "other"}}, "x");
  EXPECT_EQ(exchange->response.value().status, 404) << "another app asks, not Dapr";
  EXPECT_FALSE(invoker.call);
}

TEST_F(HttpFrontTest, CountsTheHopsThatAnotherTrilbySaysOnTheAppChannelOnly) {
  const auto hops = [&](const char* told) {
    send("POST", "/f", {{"trilby-hops", told}}, "x");
    const unsigned counted = invoker.call->hops;
    EXPECT_EQ(invoker.call->fields.find("trilby-hops"), nullptr);
    invoker.answer(refusal(Reason::Ok));
    return counted;
  };
  EXPECT_EQ(hops("3"), 0U) << "a caller from outside";
  make_channel();
  EXPECT_EQ(hops("3"), 3U);
  EXPECT_EQ(hops("4000"), kMaxHops);
  for (const char* told : {"", "-1", "3x", "99999999999999"}) {
    EXPECT_EQ(hops(told), 0U) << told;
  }
}

TEST_F(HttpFrontTest, LetsNoPublisherKeepAnEventFromItsTrigger) {
  make_channel();
  const auto exchange =
      send("POST", "/dapr/topic/p/t/f",
           {{"trilby-timeout", "soon"}, {"trilby-hops", "8"}, {"content-type", "application/cloudevents+json"}},
           "{\"data\":1}");
  ASSERT_TRUE(invoker.call) << "a message's metadata arrives as fields";
  EXPECT_EQ(invoker.call->hops, 0U);
  EXPECT_EQ(invoker.call->deadline, Clock::time_point::max());
  invoker.answer(refusal(Reason::Ok));
  EXPECT_EQ(finish(exchange->response.value()), "{\"status\":\"SUCCESS\"}");
}

TEST_F(HttpFrontTest, AnswersEventsAsDaprReadsThem) {
  make_channel();
  const auto exchange =
      send("POST", "/dapr/topic/p/t/f", {{"content-type", "application/cloudevents+json"}}, "{\"data\":1}");
  EXPECT_EQ(*invoker.call->variables.find("CE_TOPIC"), "");
  invoker.answer(refusal(Reason::Trap));
  http::Response& response = exchange->response.value();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(field(response, "trilby-reason"), "trap");
  EXPECT_EQ(field(response, "content-type"), "application/json");
  EXPECT_EQ(finish(response), "{\"status\":\"RETRY\"}");
  EXPECT_EQ(lines.at(0).reason, Reason::Trap);
  EXPECT_EQ(lines.at(0).message, "the event is to be brought again");
}

TEST_F(HttpFrontTest, CancelsTheCallOfASidecarThatDoesNotWait) {
  make_channel();
  const auto exchange = send("POST", "/job/nightly", {}, "x");
  ASSERT_TRUE(invoker.call);
  exchange->abandoned();
  exchange->response.reset();
  EXPECT_EQ(lines.at(0).reason, Reason::Cancelled);
}

}  // namespace
}  // namespace trilby::triggers
