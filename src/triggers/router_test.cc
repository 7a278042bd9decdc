#include "triggers/router.h"

#include <optional>

#include <gtest/gtest.h>

#include "dapr/embedded/service_invocation.h"

namespace trilby::triggers {
namespace {

/// Ends calls as the test says, when it says.
class FakeInvoker final : public invoke::Invoker {
 public:
  void start(const std::shared_ptr<const invoke::Function>& /*function*/, Call call, OnOutcome done) override {
    calls.push_back(std::move(call));
    waiting.push_back(std::move(done));
  }
  [[nodiscard]] std::size_t live() const override { return waiting.size(); }
  void cancel_all(Reason /*why*/) override {}

  void answer(Outcome outcome) {
    const OnOutcome done = std::move(waiting.front());
    waiting.erase(waiting.begin());
    done(std::move(outcome));
  }

  std::vector<Call> calls;
  std::vector<OnOutcome> waiting;
};

Outcome image() {
  Outcome outcome;
  outcome.reason = Reason::Ok;
  outcome.status = 200;
  outcome.fields = {
      {"Content-Type", "image/png"}, {"set-cookie", "a=b"}, {"trilby-secret", "x"}, {"x-powered-by", "guest"}};
  outcome.body = make_body("pixels");
  outcome.function = "gray";
  return outcome;
}

Call request(std::string method, std::string path, Fields fields = {}, std::string body = {}) {
  Call call;
  call.method = std::move(method);
  call.path = std::move(path);
  call.fields = std::move(fields);
  call.body = make_body(std::move(body));
  return call;
}

class RouterTest : public testing::Test {
 protected:
  static Route route(std::string method, std::string path, RouteTarget target) {
    Route made;
    made.method = std::move(method);
    made.path = std::move(path);
    made.target = std::move(target);
    return made;
  }
  FunctionTarget function(Bytes limit = 8_MiB) { return {nullptr, limit, labels.add_function("gray")}; }

  Router& app(const std::string& id, std::vector<Route> routes) {
    if (!metrics) {
      metrics.emplace(labels);
    }
    routers.push_back(std::make_unique<Router>(id, std::make_shared<const RouteTable>(std::move(routes)),
                                               LoopServices{invoker, invocation, *metrics, ids, calls}));
    Router& made = *routers.back();
    invocation.add_app(id, [&made](Call call, OnOutcome done) {
      const Route* taken = made.match(call);
      made.run(taken, std::move(call), std::move(done));
    });
    return made;
  }
  static std::optional<Outcome> run(Router& router, Call call) {
    std::optional<Outcome> outcome;
    const Route* taken = router.match(call);
    router.run(taken, std::move(call), [&](Outcome end) { outcome = std::move(end); });
    return outcome;
  }
  static std::string field(const Outcome& outcome, std::string_view name) {
    const std::string* value = outcome.fields.find(name);
    return value == nullptr ? "" : *value;
  }

  observe::Labels labels;
  std::optional<observe::LoopMetrics> metrics;
  observe::IdSource ids;
  observe::CallRing calls{16};
  FakeInvoker invoker;
  dapr::embedded::LocalInvocation invocation;
  std::vector<std::unique_ptr<Router>> routers;
};

TEST_F(RouterTest, TakesTheFirstRouteThatMatches) {
  Route go = route("POST", "/api/hello", TextTarget{"go"});
  go.headers = {{"Api", "go"}};
  Router& router = app("web", {go, route("POST", "/api/hello", TextTarget{"rs"}),
                               route("", "/static/*", TextTarget{"static"}), route("", "/*", TextTarget{"rest"})});
  const auto text = [&](Call call) {
    Outcome outcome = run(router, std::move(call)).value();
    std::string bytes;
    (void)read_all(std::move(outcome.body), 1_KiB, [&](Result<std::string> all) { bytes = *all; });
    return bytes;
  };
  EXPECT_EQ(text(request("POST", "/api/hello", {{"api", "go"}})), "go");
  EXPECT_EQ(text(request("POST", "/api/hello", {{"API", "Go"}})), "rs");
  EXPECT_EQ(text(request("POST", "/api/hello")), "rs");
  EXPECT_EQ(text(request("GET", "/static/")), "static");
  EXPECT_EQ(text(request("GET", "/static")), "rest");
  EXPECT_EQ(text(request("HEAD", "/staticx")), "rest");
}

TEST_F(RouterTest, SaysWhichMethodsThereAre) {
  Router& router = app(
      "api", {route("GET", "/", TextTarget{"hi"}), route("POST", "/", function()), route("PUT", "/other", function())});
  const Outcome wrong = run(router, request("DELETE", "/")).value();
  EXPECT_EQ(wrong.reason, Reason::MethodNotAllowed);
  EXPECT_EQ(field(wrong, "allow"), "GET, HEAD, POST");
  EXPECT_EQ(run(router, request("GET", "/missing"))->reason, Reason::NotFound);
  EXPECT_EQ(run(router, request("get", "/"))->reason, Reason::MethodNotAllowed) << "methods are case-sensitive";
  EXPECT_EQ(run(router, request("HEAD", "/"))->status, 200);
}

TEST_F(RouterTest, LetsFilesAndTextOnlyBeRead) {
  Router& router = app("web", {route("", "/", TextTarget{"page"})});
  const Outcome outcome = run(router, request("POST", "/")).value();
  EXPECT_EQ(outcome.reason, Reason::MethodNotAllowed);
  EXPECT_EQ(field(outcome, "allow"), "GET, HEAD");
}

TEST_F(RouterTest, DoesNotNameTheMethodsOfARouteWhoseHeadersDoNotMatch) {
  Route secret = route("POST", "/a", TextTarget{"x"});
  secret.headers = {{"api", "go"}};
  EXPECT_EQ(run(app("web", {secret}), request("GET", "/a"))->reason, Reason::NotFound);
}

TEST_F(RouterTest, RunsAFunctionAndCountsIt) {
  Router& router = app("api", {route("POST", "/api/image", function())});
  std::optional<Outcome> outcome;
  Call call = request("POST", "/api/image", {}, "image");
  const Route* taken = router.match(call);
  router.run(taken, std::move(call), [&](Outcome end) { outcome = std::move(end); });
  EXPECT_FALSE(outcome);
  const observe::LoopMetrics* const loop = &*metrics;
  EXPECT_NE(observe::render_metrics(labels, {&loop, 1}, "", {}).find("trilby_calls_live{function=\"gray\"} 1"),
            std::string::npos);
  invoker.answer(image());
  EXPECT_EQ(outcome.value().function, "gray");
  EXPECT_NE(
      observe::render_metrics(labels, {&loop, 1}, "", {}).find("trilby_calls_total{function=\"gray\",reason=\"ok\"} 1"),
      std::string::npos);
}

TEST_F(RouterTest, RefusesAnAnnouncedBodyOverTheLimitUnread) {
  Router& router = app("api", {route("POST", "/f", function(Bytes{5})), route("", "/", TextTarget{"page"})});
  EXPECT_EQ(run(router, request("POST", "/f", {}, "123456"))->reason, Reason::BodyTooLarge);
  EXPECT_TRUE(invoker.calls.empty());
  const auto kept = calls.newest(9, [](const observe::EndedCall&) { return true; });
  ASSERT_EQ(kept.size(), 1U) << "it is a call of the function all the same";
  EXPECT_EQ(kept[0].reason, Reason::BodyTooLarge);
  EXPECT_EQ(kept[0].status, 413);
  EXPECT_GT(kept[0].ended, Clock::time_point{});
  EXPECT_EQ(run(router, request("POST", "/f", {}, "12345")), std::nullopt);
  EXPECT_EQ(run(router, request("GET", "/", {}, std::string(kMaxUnreadBody.count + 1, 'x')))->reason,
            Reason::BodyTooLarge);
  EXPECT_EQ(run(router, request("GET", "/", {}, "some"))->status, 200);
}

TEST_F(RouterTest, PassesOnOnlyStatusBodyTypeAndReasonOfAForwardedAnswer) {
  Route api = route("POST", "/api/image", function());
  api.cors = "*";
  app("image-api-rs", {api});
  Router& web = app("web", {route("POST", "/api/hello", InvokeTarget{"image-api-rs", "/api/image"})});
  std::optional<Outcome> outcome;
  Call call = request("POST", "/api/hello", {{"accept", "image/*"}}, "image");
  call.query = "a=b";
  call.caller = "http";
  call.trace.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const Route* taken = web.match(call);
  web.run(taken, std::move(call), [&](Outcome end) { outcome = std::move(end); });
  ASSERT_EQ(invoker.calls.size(), 1U);
  const Call& received = invoker.calls.front();
  EXPECT_EQ(received.path, "/api/image");
  EXPECT_EQ(received.query, "a=b");
  EXPECT_EQ(received.caller, "web");
  EXPECT_EQ(*received.fields.find("accept"), "image/*");
  EXPECT_EQ(received.trace.traceparent, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  invoker.answer(image());
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->status, 200);
  EXPECT_EQ(outcome->reason, Reason::Ok);
  ASSERT_EQ(outcome->fields.size(), 1U);
  EXPECT_EQ(field(*outcome, "content-type"), "image/png");
  EXPECT_NE(outcome->body, nullptr);
}

TEST_F(RouterTest, KeepsTheDetailOfAForwardedRefusal) {
  app("api", {route("POST", "/f", function())});
  Router& web = app("web", {route("POST", "/", InvokeTarget{"api", "/f"})});
  std::optional<Outcome> outcome;
  Call call = request("POST", "/");
  const Route* taken = web.match(call);
  web.run(taken, std::move(call), [&](Outcome end) { outcome = std::move(end); });
  invoker.answer(refusal(Reason::BadInput, "this is no picture"));
  EXPECT_EQ(outcome.value().reason, Reason::BadInput);
  EXPECT_EQ(outcome->status, 422);
  EXPECT_EQ(outcome->detail, "this is no picture");
}

TEST_F(RouterTest, EndsLoopsOfRoutes) {
  Router& web = app("web", {route("", "/", InvokeTarget{"web", "/"})});
  EXPECT_EQ(run(web, request("GET", "/"))->reason, Reason::UpstreamFailed);
}

class Cors : public RouterTest {
 protected:
  Router& with(std::string origin) {
    Route api = route("POST", "/api", function());
    api.cors = std::move(origin);
    Route read = route("GET", "/api", TextTarget{"hi"});
    return app("api", {api, read});
  }
  static Call preflight(const Fields& more = {}) {
    Call call =
        request("OPTIONS", "/api", {{"Origin", "https://a.example"}, {"Access-Control-Request-Method", "POST"}});
    for (const Field& field : more) {
      call.fields.set(field.name, field.value);
    }
    return call;
  }
};

TEST_F(Cors, AnswersAPreflight) {
  const Outcome outcome = run(with("*"), preflight({{"access-control-request-headers", "content-type, x-a"}})).value();
  EXPECT_EQ(outcome.status, 204);
  EXPECT_EQ(field(outcome, "access-control-allow-origin"), "*");
  EXPECT_EQ(field(outcome, "access-control-allow-methods"), "POST");
  EXPECT_EQ(field(outcome, "access-control-allow-headers"), "content-type, x-a");
}

TEST_F(Cors, NamesEachMethodOnce) {
  Route get = route("GET", "/api", TextTarget{"a"});
  Route again = route("", "/*", TextTarget{"b"});
  Route any = route("", "/api", function());
  get.cors = again.cors = any.cors = "*";
  const Outcome outcome = run(app("many", {get, again, any}), preflight()).value();
  EXPECT_EQ(field(outcome, "access-control-allow-methods"), "GET, HEAD, POST");
}

TEST_F(Cors, EchoesNoHeaderListThatIsNone) {
  for (const std::string& list : {std::string("a\r\nset-cookie: x"), std::string("<script>"), std::string(2000, 'a')}) {
    const Outcome outcome = run(with("*"), preflight({{"access-control-request-headers", list}})).value();
    EXPECT_EQ(field(outcome, "access-control-allow-headers"), "") << list;
  }
}

TEST_F(Cors, GivesAPreflightForARouteWithoutCorsNothing) {
  for (const char* method : {"GET", "DELETE", "", "PO ST"}) {
    const Outcome outcome = run(with("*"), preflight({{"access-control-request-method", method}})).value();
    EXPECT_EQ(outcome.status, 405) << method;
    EXPECT_EQ(field(outcome, "access-control-allow-methods"), "") << method;
  }
}

TEST_F(Cors, AllowsOnlyTheOriginThatIsNamed) {
  Router& router = with("https://a.example");
  EXPECT_EQ(field(run(router, preflight()).value(), "access-control-allow-origin"), "https://a.example");
  const Outcome other = run(router, preflight({{"origin", "https://a.example.evil"}})).value();
  EXPECT_EQ(other.status, 204);
  EXPECT_EQ(field(other, "access-control-allow-origin"), "");
  EXPECT_EQ(field(other, "access-control-allow-methods"), "");
  EXPECT_EQ(field(other, "vary"), "origin");
}

TEST_F(Cors, HoldsForErrorsToo) {
  Router& router = with("*");
  const Outcome large =
      run(router, request("POST", "/api", {{"origin", "x"}}, std::string((8U << 20U) + 1, 'x'))).value();
  EXPECT_EQ(large.reason, Reason::BodyTooLarge);
  EXPECT_EQ(field(large, "access-control-allow-origin"), "*");
  EXPECT_EQ(field(large, "access-control-expose-headers"), "trilby-reason, x-request-id");
  EXPECT_EQ(field(run(router, request("DELETE", "/api")).value(), "access-control-allow-origin"), "*");
}

TEST_F(Cors, IsNotThereForRoutesThatDoNotAskForIt) {
  EXPECT_EQ(field(run(with("*"), request("GET", "/api", {{"origin", "https://a.example"}})).value(),
                  "access-control-allow-origin"),
            "");
}

TEST_F(RouterTest, AnswersOnceTheOutputsAreDone) {
  const auto outputs = std::make_shared<OutputList>();
  outputs->push_back(
      {InvokeOutput{"far", "/entry"}, "invoke far/entry", labels.add_output("near", "invoke", "far/entry")});
  app("far", {route("POST", "/entry", function())});
  FunctionTarget target = function();
  target.outputs = outputs;
  Router& near = app("near", {route("POST", "/gray", target)});
  std::optional<Outcome> outcome;
  const auto call = [&] {
    Call made = request("POST", "/gray", {}, "x");
    const Route* taken = near.match(made);
    near.run(taken, std::move(made), [&](Outcome end) { outcome = std::move(end); });
  };
  call();
  invoker.answer(image());
  ASSERT_EQ(invoker.calls.size(), 2U) << "of the other app";
  EXPECT_EQ(*invoker.calls[1].fields.find("content-type"), "image/png");
  EXPECT_FALSE(outcome);
  invoker.answer(image());
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->reason, Reason::Ok);
  EXPECT_EQ(field(*outcome, "content-type"), "image/png");
  outcome.reset();
  call();
  invoker.answer(image());
  near.cancel_outputs(Reason::Draining);
  invoker.answer(refusal(Reason::Draining));
  EXPECT_EQ(outcome->reason, Reason::Draining);
}

TEST_F(RouterTest, CountsACallThatItsOutputsRefuse) {
  const auto outputs = std::make_shared<OutputList>();
  outputs->push_back({StateOutput{"s", TextTemplate::parse("{CE_ID}").value(), {}}, "state s", 0});
  FunctionTarget target = function();
  target.outputs = outputs;
  Router& router = app("api", {route("POST", "/gray", target)});
  const Outcome outcome = run(router, request("POST", "/gray", {}, "x")).value();
  EXPECT_EQ(outcome.reason, Reason::BadRequest);
  EXPECT_EQ(outcome.detail, "output 1 of 1: CE_ID is needed, and the event has none");
  EXPECT_TRUE(invoker.calls.empty());
  EXPECT_EQ(calls.newest(9, [](const observe::EndedCall&) { return true; }).size(), 1U);
}

}  // namespace
}  // namespace trilby::triggers
