#include "triggers/grpc_front.h"

#include <optional>

#include <gtest/gtest.h>

#include "base/protobuf.h"
#include "dapr/embedded/service_invocation.h"
#include "http/grpc.h"
#include "observe/test_spans.h"
#include "triggers/test_fakes.h"

namespace trilby::triggers {
namespace {

using Kind = EventTrigger::Kind;

constexpr std::string_view kService = "/dapr.proto.runtime.v1.AppCallback/";

std::string message(std::initializer_list<std::pair<std::uint32_t, std::string>> fields) {
  std::string out;
  for (const auto& [number, value] : fields) {
    ProtobufWriter(out).bytes(number, value);
  }
  return out;
}

std::string verb(std::uint64_t number, const std::string& query = {}) {
  std::string out;
  ProtobufWriter(out).integer(1, number).bytes(2, query);
  return out;
}

std::string framed(const std::string& text) {
  return http::grpc_prefix(static_cast<std::uint32_t>(text.size())) + text;
}

class GrpcFrontTest : public testing::Test {
 protected:
  void SetUp() override {
    add(Kind::Topic, "/dapr/topic/p/t/f", "p", "t");
    add(Kind::Topic, "/stubborn", "p", "s", {Verdict::Retry, Verdict::Drop});
    add(Kind::Binding, "/cron", "cron", "");
    add(Kind::Job, "/job/nightly", "", "nightly");
    add(Kind::Configuration, "/configuration/all/*", "all", "");
    settings.health_path = "/healthz";
    settings.subscriptions_message = "subscriptions";
    settings.own_label = labels.add_route("a", "dapr");
    unmatched = labels.add_route("a", "");
    routes.push_back(route("POST", "/f", FunctionTarget{nullptr, 1_KiB, labels.add_function("g")}));
    routes.push_back(route("GET", "/text", TextTarget{"a text"}));
    make();
  }
  void TearDown() override {
    while (invoker.live() > 0) {  // no call outlives what serves it
      invoker.end(0, refusal(Reason::Draining));
    }
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
    trigger.bulk_limit = 100_KiB;
    trigger.at_once = 2;
    trigger.label = labels.add_route("a", trigger.path);
    settings.triggers.push_back(std::move(trigger));
  }
  Route route(std::string method, std::string path, RouteTarget target) {
    Route made;
    made.method = std::move(method);
    made.path = std::move(path);
    made.label = labels.add_route("a", made.path);
    made.target = std::move(target);
    return made;
  }
  void make() {
    front.reset();
    channel.reset();
    metrics.emplace(labels);
    const auto table = std::make_shared<const RouteTable>(routes);
    router.emplace("a", table, LoopServices{invoker, invocation, *metrics, ids, calls});
    channel.emplace(std::make_shared<const AppTriggers>(settings), *table, *router, ids, 1_MiB, nullptr);
    front.emplace(options, *channel,
                  FrontServices{router->app_id(), *metrics, ids,
                                [this](const observe::AccessEntry& entry) {
                                  lines.push_back(fmt::format("{} {} {} {}", entry.method, entry.path, entry.status,
                                                              name(entry.reason)));
                                },
                                unmatched, &tracer});
  }

  std::shared_ptr<FakeExchange> send_raw(std::string path, std::string body, Fields fields = {}) {
    auto exchange = std::make_shared<FakeExchange>();
    fields.add("content-type", "application/grpc");
    exchange->head_ = {"POST", std::move(path), std::move(fields)};
    exchange->body = std::move(body);
    exchange->is_http2 = true;
    front->handle(exchange);
    return exchange;
  }
  std::shared_ptr<FakeExchange> send(std::string_view method, const std::string& text, Fields fields = {}) {
    return send_raw(std::string(kService) + std::string(method), framed(text), std::move(fields));
  }
  /// How a call ended: its status and its message; or status, and what is said of it.
  static std::string end(FakeExchange& exchange) {
    if (!exchange.response) {
      return "none";
    }
    http::Response& response = *exchange.response;
    if (!response.trailers) {
      return field(response, "grpc-status") + " " + field(response, "grpc-message");
    }
    const std::string status = *response.trailers().find("grpc-status");
    const std::string body = finish(response);
    const auto only = http::only_grpc_message(body);
    return status + " " + std::string(only ? *only : only.error());
  }
  std::string call(std::string_view method, const std::string& text, Fields fields = {}) {
    return end(*send(method, text, std::move(fields)));
  }
  static std::string invoked(const std::string& method, const std::string& data, const std::string& extension = {}) {
    return message({{1, method}, {2, message({{2, data}})}, {3, "text/plain"}, {4, extension}});
  }

  AppTriggers::Settings settings;
  std::vector<Route> routes;
  observe::Labels labels;
  std::size_t unmatched = 0;
  std::optional<observe::LoopMetrics> metrics;
  observe::IdSource ids;
  observe::CallRing calls{64};
  std::atomic<std::size_t> backlog{0};
  observe::Counter dropped;
  observe::SpanQueue queue{1, backlog, dropped, [] {}};
  observe::Tracer tracer{queue, 0, observe::Sampler(), ids, labels};
  ScriptedInvoker invoker;
  dapr::embedded::LocalInvocation invocation;
  std::optional<Router> router;
  std::optional<GrpcChannel> channel;
  GrpcFrontOptions options;
  std::vector<std::string> lines;
  std::optional<GrpcFront> front;
};

TEST_F(GrpcFrontTest, RefusesInWordsOfHttpWhatIsNoGrpc) {
  const auto old = send_raw("/healthz", "");
  auto exchange = std::make_shared<FakeExchange>();
  exchange->head_ = {"POST", std::string(kService) + "OnInvoke", {{"content-type", "application/grpc"}}};
  front->handle(exchange);
  EXPECT_EQ(exchange->response->status, 400) << "over HTTP/1.1";
  exchange = std::make_shared<FakeExchange>();
  exchange->head_ = {"POST", std::string(kService) + "OnInvoke", {{"content-type", "application/json"}}};
  exchange->is_http2 = true;
  front->handle(exchange);
  EXPECT_EQ(exchange->response->status, 415);
  EXPECT_EQ(field(*exchange->response, "content-type"), "application/problem+json");
  exchange = std::make_shared<FakeExchange>();
  exchange->head_ = {"GET", std::string(kService) + "OnInvoke", {{"content-type", "application/grpc"}}};
  exchange->is_http2 = true;
  front->handle(exchange);
  EXPECT_EQ(exchange->response->status, 405);
}

TEST_F(GrpcFrontTest, DoesNotKnowOtherServicesAndMethods) {
  for (const char* path :
       {"/dapr.proto.runtime.v1.AppCallback/Other", "/dapr.proto.runtime.v1.Dapr/InvokeService",
        "/dapr.proto.runtime.v1.AppCallback/", "/AppCallback/OnInvoke", "/", "*",
        "/dapr.proto.runtime.v1.AppCallback/OnInvoke/", "//dapr.proto.runtime.v1.AppCallback/OnInvoke",
        "/dapr.proto.runtime.v1.AppCallbackAlpha/OnTopicEvent"}) {
    EXPECT_EQ(end(*send_raw(path, framed(""))), "12 not-found: no service here has this method") << path;
  }
}

TEST_F(GrpcFrontTest, TellsASpanTheStatusOfGrpc) {
  invoker.at_once = as_named;
  const auto last = [this] {
    const auto batches = queue.take();
    return observe::read_spans(batches.at(0).spans).back();
  };
  const auto status = [](const observe::ReadSpan& span) {
    EXPECT_EQ(span.attributes.at("rpc.system"), "grpc");
    EXPECT_EQ(span.attributes.count("http.response.status_code"), 0U) << "it is 200, whatever came of it";
    return span.attributes.at("rpc.grpc.status_code") + (span.status == 2 ? " failed" : "");
  };
  (void)call("Other", "");
  const observe::ReadSpan unknown = last();
  EXPECT_EQ(status(unknown), "12 failed");
  EXPECT_EQ(unknown.attributes.at("error.type"), "not-found");
  EXPECT_EQ(unknown.name, "_OTHER") << "no caller can add names";
  EXPECT_EQ(unknown.attributes.at("rpc.method"), "_OTHER");
  EXPECT_EQ(unknown.attributes.count("rpc.service"), 0U);
  EXPECT_TRUE(call("OnInvoke", invoked("f", "x")).starts_with("0 "));
  EXPECT_EQ(status(last()), "0");
  (void)call("OnInvoke", invoked("f", "bad-input"));
  const observe::ReadSpan refused = last();
  EXPECT_EQ(status(refused), "3");
  EXPECT_EQ(refused.name, "dapr.proto.runtime.v1.AppCallback/OnInvoke");
  EXPECT_EQ(refused.attributes.at("rpc.service"), "dapr.proto.runtime.v1.AppCallback");
  EXPECT_EQ(refused.attributes.at("rpc.method"), "OnInvoke");
  EXPECT_EQ(refused.attributes.at("http.route"), "/f");
  (void)call("OnInvoke", invoked("f", "overloaded"));
  EXPECT_EQ(status(last()), "14 failed");
  (void)send_raw(std::string(kService) + "OnInvoke", "no frame");
  EXPECT_EQ(status(last()), "13 failed");
  (void)call("OnInvoke", invoked("f", "x"), {{"grpc-encoding", "gzip"}});
  EXPECT_EQ(status(last()), "12 failed");
  invoker.at_once = [](const std::string& /*data*/) {
    Outcome outcome = ok();
    outcome.status = 500;
    return outcome;
  };
  (void)call("OnInvoke", invoked("f", "x"));
  const observe::ReadSpan own = last();
  EXPECT_EQ(status(own), "13 failed");
  EXPECT_EQ(own.attributes.at("error.type"), "13");
}

TEST_F(GrpcFrontTest, RefusesWhatIsMalformed) {
  const std::string path = std::string(kService) + "OnInvoke";
  for (const std::string& body : {std::string(), std::string("\0\0\0", 3), std::string("\1\0\0\0\0", 5),
                                  std::string("\0\0\0\0\5x", 6), framed("") + framed("")}) {
    EXPECT_TRUE(end(*send_raw(path, body)).starts_with("13 bad-request: ")) << body.size();
  }
  EXPECT_TRUE(call("OnTopicEvent", "{\"id\":7}").starts_with("3 bad-request: "));
  EXPECT_TRUE(call("OnInvoke", invoked("f", "x"), {{"grpc-timeout", "soon"}}).starts_with("3 bad-request: "));
  const auto compressed = send("OnInvoke", "", {{"grpc-encoding", "gzip"}});
  EXPECT_EQ(field(*compressed->response, "grpc-status"), "12");
  EXPECT_EQ(field(*compressed->response, "grpc-accept-encoding"), "identity");
  EXPECT_TRUE(invoker.started.empty());
}

TEST_F(GrpcFrontTest, BoundsMessages) {
  EXPECT_TRUE(call("OnTopicEvent", std::string(100U << 10U, 'x')).starts_with("8 body-too-large: "));
  EXPECT_TRUE(call("OnInvoke", std::string(200U << 10U, 'x')).starts_with("8 body-too-large: "));
  BodyBudget budget(64_KiB);
  options.bodies = &budget;
  make();
  EXPECT_TRUE(call("OnInvoke", std::string(100U << 10U, 'x')).starts_with("14 overloaded: "));
  EXPECT_EQ(budget.in_use(), Bytes{0});
}

TEST_F(GrpcFrontTest, AsksForTheTokenWhereTheSidecarSendsIt) {
  options.token = "secret";
  make();
  for (const char* method : {"OnInvoke", "OnTopicEvent", "OnBulkTopicEvent", "OnBindingEvent", "OnJobEvent"}) {
    for (const Fields& fields : {Fields(), Fields{{"dapr-api-token", "secretx"}}}) {
      EXPECT_EQ(call(method, "", fields), "16 unauthorized: A valid token is needed") << method;
    }
  }
  EXPECT_EQ(end(*send_raw("/dapr.proto.runtime.v1.AppCallbackAlpha/OnJobEventAlpha1", framed(""))),
            "16 unauthorized: A valid token is needed");
  EXPECT_EQ(call("ListTopicSubscriptions", ""), "0 subscriptions");
  EXPECT_EQ(call("ListInputBindings", ""), "0 " + message({{1, "cron"}}));
  EXPECT_EQ(end(*send_raw("/dapr.proto.runtime.v1.AppCallbackHealthCheck/HealthCheck", framed(""))), "0 ");
  EXPECT_EQ(call("OnInvoke", invoked("text", "", verb(1)), {{"dapr-api-token", "secret"}}).substr(0, 2), "0 ");
  EXPECT_EQ(call("OnInvoke", invoked("text", "", verb(1)), {{"dapr-api-token", "x"}, {"dapr-api-token", "secret"}})
                .substr(0, 2),
            "0 ")
      << "the first is a publisher's";
}

TEST_F(GrpcFrontTest, LetsNoOtherAppForgeAnEvent) {
  const Fields from_another{{"dapr-caller-app-id", "b"}};
  EXPECT_EQ(call("OnTopicEvent", message({{9, "/dapr/topic/p/t/f"}}), from_another), "0 \x08\x02")
      << "dropped: a publisher's mark would else be brought again for ever";
  for (const char* method : {"OnBulkTopicEvent", "OnBindingEvent", "OnJobEvent"}) {
    EXPECT_EQ(call(method, message({{9, "/dapr/topic/p/t/f"}, {1, "cron"}}), from_another),
              "5 not-found: other apps may only invoke")
        << method;
  }
  const std::string change = invoked("configuration/all/x", R"({"items":{"x":{"value":"5"}}})");
  EXPECT_TRUE(call("OnInvoke", change, from_another).starts_with("5 not-found"));
  EXPECT_TRUE(invoker.started.empty());
  send("OnInvoke", change);
  EXPECT_EQ(invoker.started.size(), 1U);
}

TEST_F(GrpcFrontTest, CountsHopsOfInvocationsOnly) {
  send("OnTopicEvent", message({{7, "hi"}, {9, "/dapr/topic/p/t/f"}}), {{"trilby-hops", "8"}});
  send("OnInvoke", invoked("f", ""), {{"trilby-hops", "3"}});
  ASSERT_EQ(invoker.started.size(), 2U);
  EXPECT_EQ(invoker.started[0].call.hops, 0U) << "an event's metadata is its publisher's";
  EXPECT_EQ(invoker.started[1].call.hops, 3U);
}

TEST_F(GrpcFrontTest, BringsAnEventOfATopic) {
  const auto exchange =
      send("OnTopicEvent", message({{1, "7"}, {7, "hi"}, {6, "t"}, {8, "p"}, {9, "/dapr/topic/p/t/f"}}),
           {{"x-request-id", "request-0123456789"}, {"cookie", "publisher's own"}});
  ASSERT_EQ(invoker.started.size(), 1U);
  const ScriptedInvoker::Started& started = invoker.started[0];
  EXPECT_EQ(started.data, "hi");
  EXPECT_EQ(started.call.id, "request-0123456789");
  EXPECT_EQ(started.call.caller, "dapr");
  EXPECT_EQ(started.call.method, "POST");
  EXPECT_EQ(started.call.path, "/dapr/topic/p/t/f");
  EXPECT_EQ(started.call.fields.find("cookie"), nullptr);
  EXPECT_EQ(*started.call.variables.find("CE_ID"), "7");
  EXPECT_EQ(*started.call.variables.find("CE_TOPIC"), "t");
  EXPECT_EQ(*started.call.variables.find("DAPR_TRIGGER"), "topic");
  EXPECT_EQ(end(*exchange), "none");
  invoker.end(0, ok());
  EXPECT_EQ(end(*exchange), std::string("0 \x08\x00", 4));
  EXPECT_EQ(field(*exchange->response, "trilby-reason"), "ok");
  exchange->response.reset();
  EXPECT_EQ(lines.at(0), "POST /dapr/topic/p/t/f 200 ok");
}

TEST_F(GrpcFrontTest, SaysWhatBecomesOfATopicsEvent) {
  invoker.at_once = as_named;
  const auto status = [&](const std::string& path, const std::string& data) {
    return call("OnTopicEvent", message({{7, data}, {9, path}}));
  };
  const std::string retry = "0 \x08\x01";
  const std::string drop = "0 \x08\x02";
  EXPECT_EQ(status("/dapr/topic/p/t/f", "bad-input"), drop);
  EXPECT_EQ(lines.back(), "POST /dapr/topic/p/t/f 200 bad-input");
  EXPECT_EQ(status("/dapr/topic/p/t/f", "trap"), retry);
  EXPECT_EQ(status("/stubborn", "bad-input"), retry);
  EXPECT_EQ(status("/stubborn", "trap"), drop);
  EXPECT_EQ(status("/dapr/topic/p/old/f", "x"), retry) << "it is not lost";
  EXPECT_EQ(lines.back(), "POST /dapr/topic/p/old/f 200 not-found");
  EXPECT_EQ(status("/cron", "x"), retry) << "which is no topic";
  EXPECT_EQ(call("OnTopicEvent", message({{1, "\xff"}, {9, "/dapr/topic/p/t/f"}})), drop) << "it is no event";
}

TEST_F(GrpcFrontTest, JudgesManyEventsOneByOne) {
  const auto entry = [](const std::string& data) { return message({{1, data}, {3, message({{1, data}, {6, data}})}}); };
  invoker.at_once = as_named;
  const std::string many =
      message({{2, entry("fine")}, {2, entry("trap")}, {2, entry("bad-input")}, {7, "/dapr/topic/p/t/f"}});
  const auto status = [](const std::string& id, std::uint64_t verdict) {
    std::string out;
    ProtobufWriter(out).bytes(1, id).integer(2, verdict);
    return out;
  };
  const std::string expected =
      "0 " + message({{1, status("fine", 0)}, {1, status("trap", 1)}, {1, status("bad-input", 2)}});
  EXPECT_EQ(call("OnBulkTopicEvent", many), expected);
  EXPECT_EQ(end(*send_raw("/dapr.proto.runtime.v1.AppCallbackAlpha/OnBulkTopicEventAlpha1", framed(many))), expected);
  EXPECT_EQ(lines.back(), "POST /dapr/topic/p/t/f 200 trap");
  EXPECT_EQ(call("OnBulkTopicEvent", message({{2, entry("fine")}, {7, "/gone"}})),
            "0 " + message({{1, status("fine", 1)}}));
}

TEST_F(GrpcFrontTest, AnswersBindingsByStatus) {
  invoker.at_once = as_named;
  EXPECT_EQ(call("OnBindingEvent", message({{1, "cron"}, {2, "x"}})), "0 " + message({{4, "done"}}));
  EXPECT_EQ(call("OnBindingEvent", message({{1, "cron"}, {2, "bad-input"}})), "0 " + message({{4, ""}})) << "dropped";
  EXPECT_EQ(call("OnBindingEvent", message({{1, "cron"}, {2, "overloaded"}})),
            "14 overloaded: Too many requests are waiting already");
  EXPECT_TRUE(call("OnBindingEvent", message({{1, "other"}})).starts_with("5 not-found"));
}

TEST_F(GrpcFrontTest, AnswersJobsByStatus) {
  invoker.at_once = as_named;
  const auto job = [&](const std::string& data) {
    return call("OnJobEvent", message({{1, "nightly"}, {2, message({{2, data}})}}));
  };
  EXPECT_EQ(job("fine"), "0 ");
  EXPECT_TRUE(job("bad-input").starts_with("5 bad-input")) << "the sidecar drops it";
  EXPECT_TRUE(job("limit-wall").starts_with("4 limit-wall"));
  EXPECT_TRUE(call("OnJobEvent", message({{1, "other"}})).starts_with("5 not-found"));
  EXPECT_EQ(lines.back(), "POST /job/other 404 not-found");
  EXPECT_EQ(invoker.seen.at(0), "fine");
}

TEST_F(GrpcFrontTest, TellsConfigurationByKey) {
  const auto exchange = send("OnInvoke", invoked("/configuration/all/x/y", R"({"items":{"x/y":{"value":"5"}}})"));
  ASSERT_EQ(invoker.started.size(), 1U);
  EXPECT_EQ(invoker.started[0].data, "5");
  EXPECT_EQ(*invoker.started[0].call.variables.find("DAPR_CONFIGURATION_KEY"), "x/y");
  EXPECT_EQ(*invoker.started[0].call.variables.find("DAPR_TRIGGER"), "configuration");
  invoker.end(0, ok());
  EXPECT_EQ(end(*exchange), "0 ");
}

TEST_F(GrpcFrontTest, InvokesRoutes) {
  const auto exchange = send("OnInvoke", invoked("f", "body", verb(3, "a=b&c")),
                             {{"dapr-cookie", "k=v"},
                              {"dapr-host", "front"},
                              {"host", "127.0.0.1:1"},
                              {"user-agent", "grpc-go"},
                              {"x-own", "kept"},
                              {"x-own-bin", "AA=="},
                              {"dapr-caller-app-id", "b"},
                              {"grpc-trace-bin", "AA=="}});
  ASSERT_EQ(invoker.started.size(), 1U);
  const Call& call = invoker.started[0].call;
  EXPECT_EQ(invoker.started[0].data, "body");
  EXPECT_EQ(call.method, "POST");
  EXPECT_EQ(call.path, "/f");
  EXPECT_EQ(call.query, "a=b&c");
  EXPECT_EQ(*call.fields.find("content-type"), "text/plain");
  EXPECT_EQ(*call.fields.find("cookie"), "k=v");
  EXPECT_EQ(*call.fields.find("host"), "front");
  EXPECT_EQ(*call.fields.find("x-own"), "kept");
  EXPECT_EQ(call.fields.size(), 4U);
  Outcome outcome = ok("answer");
  outcome.fields.add("content-type", "image/png");
  outcome.fields.add("etag", "\"1\"");
  invoker.end(0, std::move(outcome));
  EXPECT_EQ(end(*exchange), "0 " + message({{2, "image/png"}, {1, message({{2, "answer"}})}}));
  EXPECT_EQ(field(*exchange->response, "content-type"), "application/grpc");
  EXPECT_EQ(field(*exchange->response, "etag"), "\"1\"");
}

TEST_F(GrpcFrontTest, LetsNoQueryBringWhatNoTargetHas) {
  for (const char* query : {"a=\r\nb", "a b", "a#b", "\xc3\xa4"}) {
    EXPECT_EQ(call("OnInvoke", invoked("f", "body", verb(3, query))).substr(0, 2), "3 ") << query;
  }
  EXPECT_TRUE(invoker.started.empty());
}

TEST_F(GrpcFrontTest, GivesLargeAnswersWithoutCopyingThem) {
  const auto exchange = send("OnInvoke", invoked("f", "body"));
  invoker.end(0, ok(std::string(600U << 10U, 'x')));
  EXPECT_EQ(end(*exchange),
            "0 " + message({{2, "application/octet-stream"}, {1, message({{2, std::string(600U << 10U, 'x')}})}}));
}

TEST_F(GrpcFrontTest, ReadsAnswersThatStreamToTheirEnd) {
  BodySource::OnChunk reader;
  const auto stream = [&] {
    const auto exchange = send("OnInvoke", invoked("f", "body"));
    Outcome outcome = ok();
    outcome.body = std::make_unique<LateBody>(reader);
    invoker.end(0, std::move(outcome));
    EXPECT_EQ(end(*exchange), "none");
    reader(BodySource::Chunk{"one", false});
    return exchange;
  };
  auto exchange = stream();
  reader(BodySource::Chunk{"two", true});
  EXPECT_EQ(end(*exchange), "0 " + message({{2, "application/octet-stream"}, {1, message({{2, "onetwo"}})}}));
  exchange = stream();
  reader(fail(Reason::UpstreamFailed, "it broke off"));
  EXPECT_TRUE(end(*exchange).starts_with("14 upstream-failed"));
  exchange = stream();
  reader(BodySource::Chunk{std::string(2U << 20U, 'x'), true});
  EXPECT_TRUE(end(*exchange).starts_with("8 body-too-large"));
}

TEST_F(GrpcFrontTest, SaysHowAnInvocationFailed) {
  invoker.at_once = as_named;
  EXPECT_EQ(call("OnInvoke", invoked("f", "bad-input")), "3 bad-input: The function refused the input");
  EXPECT_EQ(lines.back(), "POST /f 422 bad-input");
  EXPECT_EQ(call("OnInvoke", invoked("f", "trap")), "13 trap: The function crashed in its sandbox");
  EXPECT_TRUE(call("OnInvoke", invoked("none", "")).starts_with("5 not-found"));
  EXPECT_TRUE(call("OnInvoke", invoked("text", "", verb(3))).starts_with("12 method-not-allowed"));
  EXPECT_TRUE(call("OnInvoke", invoked("../f", "")).starts_with("3 bad-request"));
  EXPECT_TRUE(call("OnInvoke", invoked(std::string(20'000, 'f'), "")).starts_with("8 head-too-large"));
  EXPECT_TRUE(call("OnInvoke", message({{1, "f"}, {3, "text/plain\r\nx: y"}})).starts_with("3 bad-request"));
  invoker.at_once = [](const std::string&) {
    Outcome outcome = ok("own page");
    outcome.status = 404;
    return outcome;
  };
  EXPECT_EQ(call("OnInvoke", invoked("f", "")), "5 the function answered with status 404");
}

TEST_F(GrpcFrontTest, KeepsToTheCallersTime) {
  const auto before = Clock::now();
  send("OnInvoke", invoked("f", ""), {{"grpc-timeout", "10S"}});
  ASSERT_EQ(invoker.started.size(), 1U);
  EXPECT_GE(invoker.started[0].call.deadline, before + std::chrono::seconds(10));
  EXPECT_LE(invoker.started[0].call.deadline, Clock::now() + std::chrono::seconds(10));
  send("OnTopicEvent", message({{9, "/dapr/topic/p/t/f"}}), {{"grpc-timeout", "10S"}});
  EXPECT_LE(invoker.started.at(1).call.deadline, Clock::now() + std::chrono::seconds(10));
  send("OnInvoke", invoked("f", ""));
  EXPECT_EQ(invoker.started.at(2).call.deadline, Clock::time_point::max());
}

TEST_F(GrpcFrontTest, CancelsWhatNobodyWaitsForAnyMore) {
  const auto exchange = send("OnTopicEvent", message({{9, "/dapr/topic/p/t/f"}}));
  ASSERT_EQ(invoker.started.size(), 1U);
  ASSERT_TRUE(exchange->abandoned);
  exchange->abandoned();
  EXPECT_TRUE(invoker.started[0].call.cancellation->cancelled());
}

TEST_F(GrpcFrontTest, PassesTheTraceOn) {
  send("OnInvoke", invoked("f", ""), {{"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}});
  EXPECT_TRUE(invoker.started.at(0).call.trace.traceparent.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
}

}  // namespace
}  // namespace trilby::triggers
