// A client of a sidecar, and a peer that says what the test wants. What a real sidecar says is in tests/dapr.

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include "dapr/nearest_invocation.h"
#include "dapr/sidecar/building_blocks.h"
#include "dapr/sidecar/request.h"
#include "dapr/sidecar/service_invocation.h"
#include "http/test_server.h"
#include "net/socket.h"
#include "net/test_loop.h"
#include "observe/test_spans.h"
#include "observe/tracer.h"

namespace trilby::dapr::sidecar {
namespace {

using namespace std::chrono_literals;

Payload payload(std::string bytes, std::string type = "application/json") {
  return {std::make_shared<const std::string>(std::move(bytes)), std::move(type)};
}

class SidecarTest : public testing::Test {
 protected:
  SidecarTest() : listening(net::listen_tcp("127.0.0.1", 0).value()), port(net::local_port(listening.get())) {
    thread = std::thread([this] { loop.run(); });
  }
  ~SidecarTest() override {
    on_loop([this] {
      handle.reset();
      reading.reset();
      client.reset();
      invocation.reset();
      blocks.reset();
      outcome.reset();
    });
    loop.stop();
    thread.join();
  }

  void on_loop(const std::function<void()>& work) { net::run_on(loop, work); }
  /// With a token and room for 1000 bytes; `timeout` is the sidecar's.
  void start(Duration timeout = 10s, observe::Tracer* tracer = nullptr) {
    const auto settings = std::make_shared<const Settings>(
        Settings{net::Address::parse("127.0.0.1", port).value(), "secret-token", timeout, Bytes{1000}});
    on_loop([&] {
      client.emplace(loop, http::ClientLimits{});
      blocks.emplace(loop, *client, settings, tracer);
      invocation.emplace(*client, settings);
    });
  }

  using Ask = std::function<std::shared_ptr<void>(BuildingBlocks&, BuildingBlocks::OnDone)>;
  void ask(const Ask& asking) {
    if (!client) {
      start();
    }
    told = std::promise<std::string>();
    on_loop([&] {
      returned = false;
      handle = asking(*blocks, [&](Result<void> result) {
        EXPECT_TRUE(returned) << "later than the call that asks";
        told.set_value(result ? "done" : fmt::format("{}: {}", name(result.error().reason), result.error().message));
        handle.reset();
      });
      returned = true;
    });
  }
  using AskForAnswer = std::function<std::shared_ptr<void>(BuildingBlocks&, BuildingBlocks::OnAnswer)>;
  /// What is told is the answer, or "nothing".
  void ask_for(const AskForAnswer& asking) {
    if (!client) {
      start();
    }
    told = std::promise<std::string>();
    on_loop([&] {
      handle = asking(*blocks, [&](Result<std::optional<WholeBody>> result) {
        told.set_value(!result   ? fmt::format("{}: {}", name(result.error().reason), result.error().message)
                       : *result ? (*result)->bytes
                                 : "nothing");
        handle.reset();
      });
    });
  }
  using AskForChange = std::function<std::shared_ptr<void>(BuildingBlocks&, BuildingBlocks::OnChange)>;
  void ask_for_change(const AskForChange& asking) {
    if (!client) {
      start();
    }
    told = std::promise<std::string>();
    on_loop([&] {
      handle = asking(*blocks, [&](Result<Change> result) {
        told.set_value(!result ? fmt::format("{}: {}", name(result.error().reason), result.error().message)
                       : *result == Change::Made    ? "made"
                       : *result == Change::Missing ? "missing"
                                                    : "conflict");
        handle.reset();
      });
    });
  }
  void publish() {
    ask([](BuildingBlocks& to, auto done) {
      return to.publish({"broker", "orders", false, {}, {}, payload("{}")}, {}, std::move(done));
    });
  }
  void invoke(Call call, std::string app = "billing") {
    if (!client) {
      start();
    }
    told = std::promise<std::string>();
    on_loop([&] {
      invocation->invoke(app, std::move(call), [&](Outcome ended) {
        outcome = std::move(ended);
        if (!outcome->body) {
          return told.set_value(fmt::format("{} {}: {}", outcome->status, name(outcome->reason), outcome->message));
        }
        reading = read_all(std::move(outcome->body), Bytes{1U << 20U}, [&](const Result<std::string>& body) {
          told.set_value(
              fmt::format("{} {} {}", outcome->status, name(outcome->reason), body ? *body : body.error().message));
        });
      });
    });
  }
  static Call call(Fields fields = {}) {
    Call made;
    made.id = "request-0123456789";
    made.method = "POST";
    made.path = "/bill it";
    made.query = "a=b";
    made.fields = std::move(fields);
    made.body = make_body("data");
    made.caller = "shop";
    made.cancellation = std::make_shared<Cancellation>();
    return made;
  }
  /// What whoever asked was told. The sidecar's address is left out.
  std::string answer() {
    auto future = told.get_future();
    if (future.wait_for(10s) != std::future_status::ready) {
      return "nothing came";
    }
    std::string text = future.get();
    const std::string peer = fmt::format("127.0.0.1:{}: ", port);
    if (const std::size_t at = text.find(peer); at != std::string::npos) {
      text.erase(at, peer.size());
    }
    return text;
  }

  http::TestPeer accept() const {
    pollfd polled{.fd = listening.get(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(poll(&polled, 1, 10'000), 1) << "nobody connects";
    return http::TestPeer(net::Socket(accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC)));
  }
  static void respond(http::TestPeer& peer, std::string_view status, std::string_view body,
                      std::string_view more = "") {
    peer.send(fmt::format("HTTP/1.1 {}\r\ncontent-length: {}\r\n{}\r\n{}", status, body.size(), more, body));
  }
  /// What is sent, and what whoever asked is told when that is answered so.
  std::string told_after(std::string_view status, std::string_view body, std::string_view more = "") {
    auto peer = accept();
    seen = peer.request();
    respond(peer, status, body, more);
    std::string text = answer();
    peer.close();
    return text;
  }
  [[nodiscard]] std::string request_line() const { return seen.head.substr(0, seen.head.find("\r\n")); }

  net::Loop loop;
  net::Socket listening;
  std::uint16_t port;
  std::thread thread;
  std::optional<http::Client> client;
  std::optional<SidecarBlocks> blocks;
  std::optional<SidecarInvocation> invocation;
  std::shared_ptr<void> handle;
  std::shared_ptr<void> reading;
  std::optional<Outcome> outcome;
  bool returned = false;  // the call that asks
  std::promise<std::string> told;
  http::Answer seen;
};

TEST_F(SidecarTest, Publishes) {
  ask([](BuildingBlocks& to, auto done) {
    Terms terms;
    terms.trace = {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "a=b"};
    return to.publish({"my broker", "or/ders?", true, {{"type", "a&b"}}, {{"x y", "1"}}, payload("{\"a\":1}")}, terms,
                      std::move(done));
  });
  EXPECT_EQ(told_after("204 No Content", ""), "done");
  EXPECT_EQ(request_line(),
            "POST /v1.0/publish/my%20broker/or/ders%3F?metadata.rawPayload=true&metadata.cloudevent.type=a%26b"
            "&metadata.x%20y=1 HTTP/1.1");
  EXPECT_EQ(seen.field("content-type"), "application/json");
  EXPECT_EQ(seen.field("dapr-api-token"), "secret-token");
  EXPECT_EQ(seen.field("traceparent"), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  EXPECT_EQ(seen.field("tracestate"), "a=b");
  EXPECT_EQ(seen.body, "{\"a\":1}");
}

TEST_F(SidecarTest, GivesEachRequestASpanOfItsOwn) {
  std::atomic<std::size_t> backlog{0};
  observe::Counter dropped;
  observe::SpanQueue queue(1, backlog, dropped, [] {});
  observe::IdSource ids;
  const observe::Labels labels;
  observe::Tracer tracer(queue, 0, observe::Sampler(), ids, labels);
  start(10s, &tracer);
  Terms terms;
  terms.trace = {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "a=b"};
  ask([&](BuildingBlocks& to, auto done) {
    return to.publish({"broker", "orders", false, {}, {}, payload("1")}, terms, std::move(done));
  });
  EXPECT_EQ(told_after("204 No Content", ""), "done");
  const std::string told_trace = seen.field("traceparent").value();
  EXPECT_EQ(seen.field("tracestate"), "a=b");
  ask([&](BuildingBlocks& to, auto done) {
    return to.save_state({"st", "key", {}, payload("1")}, terms, std::move(done));
  });
  EXPECT_EQ(told_after("500 Internal Server Error", "no"), "upstream-failed: the sidecar refuses: 500");
  on_loop([&] {
    const auto batches = queue.take();
    const auto spans = observe::read_spans(batches.at(0).spans);
    ASSERT_EQ(spans.size(), 2U);
    EXPECT_EQ(spans[0].name, "publish broker/orders");
    EXPECT_EQ(spans[0].parent, "00f067aa0ba902b7");
    EXPECT_EQ(told_trace, fmt::format("00-{}-{}-01", spans[0].trace, spans[0].id));
    EXPECT_EQ(spans[0].attributes.at("http.response.status_code"), "204");
    EXPECT_EQ(spans[1].name, "save state st") << "keys stay unsaid";
    EXPECT_EQ(spans[1].attributes.at("error.type"), "upstream-failed");
  });
  on_loop([this] {  // before the tracer goes
    handle.reset();
    blocks.reset();
  });
}

TEST_F(SidecarTest, SavesState) {
  const auto save = [&](Payload what) {
    ask([&](BuildingBlocks& to, auto done) {
      return to.save_state({"orders", "key \"7\"", {{"ttlInSeconds", "60"}}, what}, {}, std::move(done));
    });
    EXPECT_EQ(told_after("204 No Content", ""), "done");
    EXPECT_EQ(request_line(), "POST /v1.0/state/orders HTTP/1.1");
    const std::string head = R"([{"key":"key \"7\"","metadata":{"ttlInSeconds":"60"},"value":)";
    EXPECT_TRUE(seen.body.starts_with(head) && seen.body.ends_with("}]")) << seen.body;
    return seen.body.substr(head.size(), seen.body.size() - head.size() - 2);
  };
  EXPECT_EQ(save(payload(" {\"n\": 12345678901234567890} ")), "{\"n\": 12345678901234567890}") << "as it was written";
  EXPECT_EQ(save(payload("[1]", "application/vnd.x+json; charset=utf-8")), "[1]");
  EXPECT_EQ(save(payload("{no json")), "\"{no json\"");
  EXPECT_EQ(save(payload("a \"text\"\n", "text/plain; charset=utf-8")), R"("a \"text\"\n")");
  EXPECT_EQ(save(payload("\xff\x01", "application/octet-stream")), "\"/wE=\"");
  EXPECT_EQ(save(payload("text", "image/png")), "\"dGV4dA==\"");
}

TEST_F(SidecarTest, GetsState) {
  const auto get = [&](std::string_view status, std::string_view body) {
    ask([](BuildingBlocks& to, const auto& done) {
      return to.get_state({"orders", "a/b ~7"}, {}, [done](const Result<std::string>& value) {
        done(fail(Reason::Ok, "{}", value ? "value " + *value : value.error().message));
      });
    });
    const std::string text = told_after(status, body);
    EXPECT_EQ(request_line(), "GET /v1.0/state/orders/a%2Fb%20~7 HTTP/1.1");
    EXPECT_EQ(seen.field("dapr-api-token"), "secret-token");
    return text;
  };
  EXPECT_EQ(get("200 OK", "\"x\""), "ok: value \"x\"");
  EXPECT_EQ(get("204 No Content", ""), "ok: value ");
  EXPECT_EQ(get("400 Bad Request", R"({"errorCode":"ERR_STATE_STORE_NOT_FOUND","message":"no"})"),
            "ok: the sidecar refuses: 400 ERR_STATE_STORE_NOT_FOUND: no");
  EXPECT_EQ(get("200 OK", std::string(70'000, 'x')), "ok: the sidecar the body is over its limit of 64KiB");
}

TEST_F(SidecarTest, InvokesBindings) {
  ask([](BuildingBlocks& to, auto done) {
    return to.invoke_binding({"mail", "create", {{"to", "x@y"}}, payload("hi", "text/plain")}, {}, std::move(done));
  });
  EXPECT_EQ(told_after("200 OK", "{\"reply\":1}"), "done") << "what it replies is nobody's";
  EXPECT_EQ(request_line(), "POST /v1.0/bindings/mail HTTP/1.1");
  EXPECT_EQ(seen.body, R"({"operation":"create","metadata":{"to":"x@y"},"data":"hi"})");
}

TEST_F(SidecarTest, ReadsStates) {
  const auto read = [&] {
    ask_for([](BuildingBlocks& to, auto done) {
      return to.read_state({"orders", "a:b@c"}, {}, {Bytes{1000}}, std::move(done));
    });
  };
  read();
  EXPECT_EQ(told_after("200 OK", "{\"a\":1}"), "{\"a\":1}");
  EXPECT_EQ(request_line(), "GET /v1.0/state/orders/a%3Ab%40c HTTP/1.1");
  EXPECT_EQ(seen.field("dapr-api-token"), "secret-token");
  EXPECT_EQ(seen.body, "");
  read();
  EXPECT_EQ(told_after("204 No Content", ""), "nothing");
  read();
  EXPECT_EQ(told_after("400 Bad Request", R"({"errorCode":"ERR_STATE_STORE_NOT_FOUND","message":"no store"})"),
            "upstream-failed: the sidecar refuses: 400 ERR_STATE_STORE_NOT_FOUND: no store");
}

TEST_F(SidecarTest, TakesNoLargerAnswerThanThereIsRoomFor) {
  const auto read = [&](BodyBudget* budget) {
    ask_for([budget](BuildingBlocks& to, auto done) {
      return to.read_state({"orders", "a"}, {}, {Bytes{5000}, budget}, std::move(done));
    });
  };
  const std::string most(5000, 'x');
  read(nullptr);
  EXPECT_EQ(told_after("200 OK", most), most);
  read(nullptr);
  EXPECT_TRUE(told_after("200 OK", most + "x").starts_with("body-too-large"));
  BodyBudget small(Bytes{4500});
  read(&small);
  EXPECT_TRUE(told_after("200 OK", most).starts_with("overloaded"));
}

TEST_F(SidecarTest, DeletesStates) {
  ask([](BuildingBlocks& to, auto done) { return to.delete_state({"orders", "7"}, {}, std::move(done)); });
  EXPECT_EQ(told_after("204 No Content", ""), "done");
  EXPECT_EQ(request_line(), "DELETE /v1.0/state/orders/7 HTTP/1.1");
}

TEST_F(SidecarTest, AsksBindings) {
  ask_for([](BuildingBlocks& to, auto done) {
    return to.ask_binding({"files", "list", {}, payload("null")}, {}, {Bytes{1000}}, std::move(done));
  });
  EXPECT_EQ(told_after("200 OK", "[]"), "[]");
  EXPECT_EQ(request_line(), "POST /v1.0/bindings/files HTTP/1.1");
  EXPECT_EQ(seen.body, R"({"operation":"list","data":null})");
}

TEST_F(SidecarTest, ReadsSecrets) {
  ask_for(
      [](BuildingBlocks& to, auto done) { return to.read_secret("vault", "db", {}, {Bytes{1000}}, std::move(done)); });
  EXPECT_EQ(told_after("200 OK", R"({"db":"x"})"), R"({"db":"x"})");
  EXPECT_EQ(request_line(), "GET /v1.0/secrets/vault/db HTTP/1.1");
}

TEST_F(SidecarTest, ReadsAndChangesTheStateOfAnActor) {
  const ActorAddress actor{"Counter", "a+b|c/d%"};
  ask_for([&](BuildingBlocks& to, auto done) {
    return to.read_actor_state(actor, "k:1", {}, {Bytes{1000}}, std::move(done));
  });
  EXPECT_EQ(told_after("200 OK", "7"), "7");
  EXPECT_EQ(request_line(), "GET /v1.0/actors/Counter/a%2Bb%7Cc%2Fd%25/state/k%3A1 HTTP/1.1");
  ask([&](BuildingBlocks& to, auto done) {
    return to.change_actor_state(actor, std::make_shared<const std::string>("[1]"), {}, std::move(done));
  });
  EXPECT_EQ(told_after("204 No Content", ""), "done");
  EXPECT_EQ(request_line(), "POST /v1.0/actors/Counter/a%2Bb%7Cc%2Fd%25/state HTTP/1.1");
  EXPECT_EQ(seen.field("content-type"), "application/json");
  EXPECT_EQ(seen.field("dapr-api-token"), "secret-token");
  EXPECT_EQ(seen.body, "[1]");
}

TEST_F(SidecarTest, InvokesActors) {
  const auto invoke = [&](std::string reentrancy, unsigned hops) {
    ask_for([&](BuildingBlocks& to, auto done) {
      return to.invoke_actor({{"Counter", "7"}, "add", std::move(reentrancy), hops, payload("1", "text/plain")}, {},
                             {Bytes{1000}}, std::move(done));
    });
  };
  invoke("chain", 2);
  EXPECT_EQ(told_after("200 OK", "8"), "8");
  EXPECT_EQ(request_line(), "POST /v1.0/actors/Counter/7/method/add HTTP/1.1");
  EXPECT_EQ(seen.field("dapr-reentrancy-id"), "chain");
  EXPECT_EQ(seen.field("trilby-hops"), "3");
  EXPECT_EQ(seen.field("content-type"), "text/plain");
  EXPECT_EQ(seen.body, "1");
  invoke("", 0);
  EXPECT_EQ(told_after("200 OK", "no more", "X-Daprerrorresponseheader: true\r\n"),
            "upstream-failed: the sidecar refuses: 200");
  EXPECT_FALSE(seen.field("dapr-reentrancy-id"));
  invoke("", kMaxHops);
  EXPECT_TRUE(answer().starts_with("upstream-failed")) << "loops of actors end";
}

TEST_F(SidecarTest, SetsRemindersAndTimers) {
  using Kind = ActorRecurrence::Kind;
  const auto set = [&](Kind kind, SharedBytes what) {
    ask([&](BuildingBlocks& to, auto done) {
      return to.set_recurrence({kind, {"Counter", "7"}, "daily"}, std::move(what), {}, std::move(done));
    });
    EXPECT_EQ(told_after("204 No Content", ""), "done");
    return request_line() + seen.body;
  };
  const auto what = std::make_shared<const std::string>("{}");
  EXPECT_EQ(set(Kind::Reminder, what), "POST /v1.0/actors/Counter/7/reminders/daily HTTP/1.1{}");
  EXPECT_EQ(set(Kind::Timer, what), "POST /v1.0/actors/Counter/7/timers/daily HTTP/1.1{}");
  EXPECT_EQ(set(Kind::Reminder, nullptr), "DELETE /v1.0/actors/Counter/7/reminders/daily HTTP/1.1");
  EXPECT_EQ(set(Kind::Timer, nullptr), "DELETE /v1.0/actors/Counter/7/timers/daily HTTP/1.1");
}

TEST_F(SidecarTest, ReadsAndLeavesMetadata) {
  ask_for(
      [this](BuildingBlocks& /*to*/, auto done) { return blocks->read_metadata({}, {Bytes{1000}}, std::move(done)); });
  EXPECT_EQ(told_after("200 OK", R"({"id":"shop"})"), R"({"id":"shop"})");
  EXPECT_EQ(request_line(), "GET /v1.0/metadata HTTP/1.1");
  ask([this](BuildingBlocks& /*to*/, auto done) {
    return blocks->set_metadata("a/b", std::make_shared<const std::string>("[]"), {}, std::move(done));
  });
  EXPECT_EQ(told_after("204 No Content", ""), "done");
  EXPECT_EQ(request_line(), "PUT /v1.0/metadata/a%2Fb HTTP/1.1");
  EXPECT_EQ(seen.body, "[]");
}

TEST_F(SidecarTest, SubscribesToConfigurationAndEndsThat) {
  const auto subscribe = [this](const std::vector<std::string>& keys, const Metadata& metadata = {}) {
    ask_for([&](BuildingBlocks& /*to*/, auto done) {
      return blocks->subscribe_configuration("my store", keys, metadata, {}, {Bytes{1000}}, std::move(done));
    });
    EXPECT_EQ(told_after("200 OK", R"({"id":"7"})"), R"({"id":"7"})");
    EXPECT_EQ(seen.field("dapr-api-token"), "secret-token");
    return request_line();
  };
  EXPECT_EQ(subscribe({"a b", "c"}), "GET /v1.0/configuration/my%20store/subscribe?key=a%20b&key=c HTTP/1.1");
  EXPECT_EQ(subscribe({}), "GET /v1.0/configuration/my%20store/subscribe HTTP/1.1") << "every key";
  EXPECT_EQ(subscribe({"a"}, {{"b&c", "d e"}}),
            "GET /v1.0/configuration/my%20store/subscribe?key=a&metadata.b%26c=d%20e HTTP/1.1");
  ask([this](BuildingBlocks& /*to*/, auto done) {
    return blocks->unsubscribe_configuration("my store", "7/8", {}, std::move(done));
  });
  EXPECT_EQ(told_after("200 OK", R"({"ok":true})"), "done");
  EXPECT_EQ(request_line(), "GET /v1.0/configuration/my%20store/7%2F8/unsubscribe HTTP/1.1");
}

TEST_F(SidecarTest, ASubscriptionThatIsNotThereHasEndedAndNoOtherFailureSaysSo) {
  const auto end = [&](std::string_view status, std::string_view body) {
    ask_for([this](BuildingBlocks& /*to*/, auto done) {
      return blocks->unsubscribe_configuration("s", "7", {}, [done = std::move(done)](const Result<void>& ended) {
        done(ended ? Result<std::optional<WholeBody>>(std::nullopt) : fail(ended.error()));
      });
    });
    return told_after(status, body);
  };
  const auto failure = [](std::string_view why) {
    return fmt::format(R"({{"message":"failed to unsubscribe to configuration request 7: {}"}})", why);
  };
  EXPECT_EQ(end("200 OK", R"({"ok":true})"), "nothing");
  EXPECT_EQ(end("500 Error", failure("subscription with id 7 does not exist")), "nothing");
  EXPECT_EQ(end("500 Error", failure("unable to find subscription with ID : 7")), "nothing");
  EXPECT_EQ(end("400 Bad Request", R"({"errorCode":"ERR_CONFIGURATION_STORE_NOT_FOUND","message":"s"})"), "nothing");
  EXPECT_EQ(end("500 Error", failure("circuit breaker is open")), "upstream-failed: the sidecar refuses: 500");
  EXPECT_EQ(end("403 Forbidden", R"({"errorCode":"ERR_X","message":"does not exist"})"),
            "upstream-failed: the sidecar refuses: 403 ERR_X: does not exist");
  EXPECT_EQ(end("500 Error", "does not exist"), "upstream-failed: the sidecar refuses: 500");
}

TEST_F(SidecarTest, ReadsJobs) {
  ask_for([this](BuildingBlocks& /*to*/, auto done) {
    return blocks->read_job("a b", {}, {Bytes{1000}}, std::move(done));
  });
  EXPECT_EQ(told_after("200 OK", "{}"), "{}");
  EXPECT_EQ(request_line(), "GET /v1.0/jobs/a%20b HTTP/1.1");
}

TEST_F(SidecarTest, ChangesStatesTogether) {
  const auto change = [&](std::string_view status, std::string_view body) {
    ask_for_change([](BuildingBlocks& to, auto done) {
      return to.change_states("orders", std::make_shared<const std::string>("[1]"), {}, std::move(done));
    });
    return told_after(status, body);
  };
  EXPECT_EQ(change("204 No Content", ""), "made");
  EXPECT_EQ(request_line(), "POST /v1.0/state/orders/transaction HTTP/1.1");
  EXPECT_EQ(seen.field("content-type"), "application/json");
  EXPECT_EQ(seen.body, R"({"operations":[1]})");
  const auto refuse = [&](std::string_view code, std::string_view message) {
    return change(
        "500 Internal Server Error",
        fmt::format(R"({{"errorCode":"{}","message":"error while executing state transaction: {}"}})", code, message));
  };
  for (const std::string_view conflict :
       {"possible etag mismatch. error from state store: no rows",
        "ERR user_script:14: failed to set key shop||k script", "ERR user_script:6: failed to delete shop||k script"}) {
    EXPECT_EQ(refuse("ERR_STATE_TRANSACTION", conflict), "conflict") << conflict;
    EXPECT_NE(refuse("ERR_STATE_SAVE", conflict), "conflict") << conflict;
  }
  EXPECT_EQ(refuse("ERR_STATE_TRANSACTION", "connection refused"),
            "upstream-failed: the sidecar refuses: 500 ERR_STATE_TRANSACTION: error while executing state transaction: "
            "connection refused");
  EXPECT_EQ(change("500 Internal Server Error", "failed to set key "), "upstream-failed: the sidecar refuses: 500");
}

TEST_F(SidecarTest, ReadsStatesTogether) {
  const auto read = [&](std::string_view status, std::string_view body) {
    ask_for([](BuildingBlocks& to, auto done) {
      return to.read_states("orders", std::make_shared<const std::string>(R"(["a","b"])"), {}, {Bytes{1000}},
                            std::move(done));
    });
    return told_after(status, body);
  };
  EXPECT_EQ(read("200 OK", R"([{"key":"a","data": {"x" :1e9},"etag":"7","metadata":{"where":"db-3"}}, {"key":"b"}])"),
            R"([{"key":"a","data":{"x" :1e9},"etag":"7"},{"key":"b"}])");
  EXPECT_EQ(request_line(), "POST /v1.0/state/orders/bulk HTTP/1.1");
  EXPECT_EQ(seen.body, R"({"keys":["a","b"],"parallelism":10})");
  EXPECT_EQ(read("200 OK", R"([{"key":"a","data":1},{"key":"b","error":"dial tcp 10.0.0.7"}])"),
            "upstream-failed: the sidecar could not read a state: \"dial tcp 10.0.0.7\"");
  EXPECT_EQ(read("200 OK", R"([{"key":"b"},{"key":"a"}])"), R"([{"key":"b"},{"key":"a"}])") << "in any order";
  for (const std::string_view other : {"[]", R"([{"key":"a"}])", R"([{"key":"a"},{"key":"c","data":"another's"}])",
                                       R"([{"key":"a"},{"key":"a"}])", R"([{"key":"a"},{"key":"b"},{"key":"b"}])",
                                       R"([{"key":"a"},{"key":"b"},{"key":"c"}])", R"([{"key":"a"},{"key":""}])"}) {
    EXPECT_EQ(read("200 OK", other), "upstream-failed: the sidecar answers with other states than it was asked for")
        << other;
  }
  for (const std::string_view bad : {"", "{}", "[7]", R"([{"data":1}])", R"([{"key":7}])"}) {
    EXPECT_EQ(read("200 OK", bad), "upstream-failed: the sidecar answers with what is no list of states") << bad;
  }
  EXPECT_EQ(read("204 No Content", ""), "upstream-failed: the sidecar answers with what is no list of states");
}

TEST_F(SidecarTest, ReadsTheConfigurationOfOneKey) {
  const auto read = [&](std::string_view body) {
    ask_for([](BuildingBlocks& to, auto done) {
      return to.read_configuration("settings", "a+b&key=c", {}, {Bytes{1000}}, std::move(done));
    });
    std::string text = told_after("200 OK", body);
    EXPECT_EQ(request_line(), "GET /v1.0/configuration/settings?key=a%2Bb%26key%3Dc HTTP/1.1");
    return text;
  };
  EXPECT_EQ(read(R"({"a+b&key=c":{"value":"caf\u00e9","version":"7","metadata":{}}})"), "caf\xc3\xa9");
  EXPECT_EQ(read(R"({"other":{"value":"25"}})"), "nothing");
  EXPECT_EQ(read("{}"), "nothing");
  for (const std::string_view bad :
       {"", "[]", "{no json", R"({"a+b&key=c":7})", R"({"a+b&key=c":{"value":7}})", R"({"a+b&key=c":{}})"}) {
    EXPECT_EQ(read(bad), "upstream-failed: the sidecar answers with what is no configuration") << bad;
  }
  ask_for([](BuildingBlocks& to, auto done) {
    return to.read_configuration("settings", "a", {}, {Bytes{1000}}, std::move(done));
  });
  EXPECT_EQ(told_after("204 No Content", ""), "nothing");
}

TEST_F(SidecarTest, LocksAndUnlocks) {
  const LockRequest request{"locks", "order:7", "me"};
  const auto lock = [&](std::string_view body) {
    ask_for_change([&](BuildingBlocks& to, auto done) { return to.lock(request, 60s, {}, std::move(done)); });
    return told_after("200 OK", body);
  };
  const auto unlock = [&](std::string_view body) {
    ask_for_change([&](BuildingBlocks& to, auto done) { return to.unlock(request, {}, std::move(done)); });
    return told_after("200 OK", body);
  };
  EXPECT_EQ(lock(R"({"success":true})"), "made");
  EXPECT_EQ(request_line(), "POST /v1.0-alpha1/lock/locks HTTP/1.1");
  EXPECT_EQ(seen.body, R"({"resourceId":"order:7","lockOwner":"me","expiryInSeconds":60})");
  EXPECT_EQ(lock(R"({"success":false})"), "conflict");
  EXPECT_EQ(unlock(R"({"status":0})"), "made");
  EXPECT_EQ(request_line(), "POST /v1.0-alpha1/unlock/locks HTTP/1.1");
  EXPECT_EQ(seen.body, R"({"resourceId":"order:7","lockOwner":"me"})");
  EXPECT_EQ(unlock(R"({"status":1})"), "missing");
  EXPECT_EQ(unlock(R"({"status":2})"), "conflict");
  constexpr std::string_view kNone = "upstream-failed: the sidecar answers with what is no answer";
  for (const std::string_view bad : {"", "{}", "[]", R"({"success":1})", R"({"status":3})", R"({"status":"0"})"}) {
    EXPECT_EQ(lock(bad), kNone) << bad;
    EXPECT_EQ(unlock(bad), kNone) << bad;
  }
  ask_for_change([&](BuildingBlocks& to, auto done) { return to.lock(request, 60s, {}, std::move(done)); });
  EXPECT_EQ(told_after("409 Conflict", ""), "upstream-failed: the sidecar refuses: 409") << "nobody says that of locks";
}

TEST_F(SidecarTest, SchedulesAndDeletesJobs) {
  const auto set = [&](SharedBytes what, std::string_view status, std::string_view body = "") {
    ask_for_change([&](BuildingBlocks& to, auto done) { return to.set_job("daily", what, {}, std::move(done)); });
    const std::string text = told_after(status, body);
    return text + " " + request_line() + seen.body;
  };
  const auto what = std::make_shared<const std::string>(R"({"dueTime":"1s"})");
  EXPECT_EQ(set(what, "204 No Content"), R"(made POST /v1.0/jobs/daily HTTP/1.1{"dueTime":"1s"})");
  EXPECT_EQ(seen.field("content-type"), "application/json");
  EXPECT_TRUE(set(what, "400 Bad Request").starts_with("upstream-failed: the sidecar refuses: 400"));
  EXPECT_EQ(set(nullptr, "204 No Content"), "made DELETE /v1.0/jobs/daily HTTP/1.1");
  constexpr std::string_view kThere =
      R"({"errorCode":"DAPR_SCHEDULER_SCHEDULE_JOB","message":"failed to schedule job due to: job already exists"})";
  EXPECT_TRUE(set(what, "409 Conflict", kThere).starts_with("conflict"));
  EXPECT_TRUE(set(what, "500 Internal Server Error", kThere).starts_with("upstream-failed")) << "it failed otherwise";
  EXPECT_TRUE(set(nullptr, "409 Conflict", kThere).starts_with("upstream-failed")) << "a deletion is in nobody's way";
  for (const std::string_view other : {"", "[]", R"({"errorCode":"DAPR_SCHEDULER_JOB_NAME","message":"no"})",
                                       R"({"errorCode":7})", R"({"message":"DAPR_SCHEDULER_SCHEDULE_JOB"})"}) {
    EXPECT_TRUE(set(what, "409 Conflict", other).starts_with("upstream-failed")) << other;
  }
}

TEST_F(SidecarTest, KeepsItsConnection) {
  publish();
  auto peer = accept();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(peer.request().whole);
    respond(peer, "200 OK", "with a body");
    EXPECT_EQ(answer(), "done");
    publish();
  }
  EXPECT_TRUE(peer.request().whole);
  respond(peer, "204 No Content", "");
  EXPECT_EQ(answer(), "done");
}

TEST_F(SidecarTest, SaysWhatTheSidecarSays) {
  publish();
  EXPECT_EQ(
      told_after("404 Not Found", R"({"errorCode":"ERR_PUBSUB_NOT_FOUND","message":"pubsub\nbroker is not found"})"),
      "upstream-failed: the sidecar refuses: 404 ERR_PUBSUB_NOT_FOUND: pubsub\xef\xbf\xbd"
      "broker is not found");
  publish();
  EXPECT_EQ(told_after("500 Internal Server Error", "{\"errorCode\":7}"), "upstream-failed: the sidecar refuses: 500");
  publish();
  EXPECT_EQ(told_after("301 Moved", "", "location: http://elsewhere\r\n"), "upstream-failed: the sidecar refuses: 301");
  publish();
  EXPECT_EQ(told_after("500 Internal Server Error", std::string(100'000, 'x')),
            "upstream-failed: the sidecar refuses: 500");
}

TEST_F(SidecarTest, SaysWhatToDoAboutAWrongTokenAndNotWhichItWas) {
  publish();
  const std::string text = told_after("401 Unauthorized", "invalid api token\n");
  EXPECT_EQ(
      text,
      "upstream-failed: the sidecar refuses: it refuses the API token: DAPR_API_TOKEN must be what the sidecar was "
      "started with");
}

TEST_F(SidecarTest, FailsWhenNobodyIsThere) {
  listening.close();
  publish();
  EXPECT_EQ(answer(), "upstream-failed: the sidecar cannot connect: Connection refused");
}

TEST_F(SidecarTest, FailsWhenTheConnectionBreaks) {
  publish();
  auto peer = accept();
  EXPECT_TRUE(peer.request().whole);
  peer.close();
  EXPECT_EQ(answer(), "upstream-failed: the sidecar the connection ended before a response came");
}

TEST_F(SidecarTest, WaitsNoLongerThanItMay) {
  start(100ms);
  publish();
  const auto silent = accept();
  EXPECT_EQ(answer(), "upstream-failed: the sidecar the deadline of the request came (sidecar.timeout)");
  ask([](BuildingBlocks& to, auto done) {
    Terms terms;
    terms.deadline = Clock::now() + 1ms;
    return to.publish({"b", "t", false, {}, {}, payload("{}")}, terms, std::move(done));
  });
  EXPECT_EQ(answer(), "limit-wall: the sidecar the deadline of the request came") << "it was the caller's own";
}

TEST_F(SidecarTest, SendsNoMoreThanASidecarTakes) {
  ask([](BuildingBlocks& to, auto done) {
    return to.publish({"b", "t", false, {}, {}, payload(std::string(1001, 'x'))}, {}, std::move(done));
  });
  EXPECT_EQ(answer(), "limit-output: 1001 bytes are more than the sidecar takes (sidecar.max_body = 1000B)");
}

TEST_F(SidecarTest, GivesUpWhatNobodyWaitsFor) {
  publish();
  auto peer = accept();
  EXPECT_TRUE(peer.request().whole);
  on_loop([this] { handle.reset(); });
  EXPECT_TRUE(peer.at_end());
}

TEST_F(SidecarTest, InvokesAnApp) {
  Call made = call({{"Accept-Encoding", "gzip"}, {"x-own", "1"}, {"dapr-api-token", "forged"}});
  made.trace.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  made.hops = 2;
  invoke(std::move(made), "billing.prod");
  EXPECT_EQ(told_after("201 Created", "billed", "content-type: text/plain\r\n"), "201 ok billed");
  EXPECT_EQ(*outcome->fields.find("content-type"), "text/plain");
  EXPECT_EQ(request_line(), "POST /v1.0/invoke/billing.prod/method/bill%20it?a=b HTTP/1.1");
  EXPECT_EQ(seen.field("x-own"), "1");
  EXPECT_EQ(seen.field("accept-encoding"), std::nullopt);
  EXPECT_EQ(seen.field("dapr-api-token"), "secret-token");
  EXPECT_EQ(seen.field("trilby-hops"), "3");
  EXPECT_EQ(seen.field("x-request-id"), "request-0123456789");
  EXPECT_EQ(seen.field("traceparent"), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  EXPECT_EQ(seen.body, "data");
}

TEST_F(SidecarTest, LetsNoCallerChooseAnotherApp) {
  // "dapr-app-id:other" as a login: Dapr looks there before it looks at the path.
  for (const char* login : {"Basic ZGFwci1hcHAtaWQ6b3RoZXI=", "basic ZGFwci1hcHAtaWQ6b3RoZXI=",
                            "Basic REFQUi1BUFAtSUQ6b3RoZXI=", "Basic ZGFwci1hcHAtaWQ6"}) {
    invoke(call({{"Authorization", login}, {"Dapr-App-Id", "other"}}));
    EXPECT_EQ(told_after("200 OK", ""), "200 ok ");
    EXPECT_EQ(seen.field("authorization"), std::nullopt) << login;
    EXPECT_EQ(seen.field("dapr-app-id"), std::nullopt);
  }
  invoke(call({{"Authorization", "Basic dXNlcjpwYXNzd29yZA=="}}));
  EXPECT_EQ(told_after("200 OK", ""), "200 ok ");
  EXPECT_EQ(seen.field("authorization"), "Basic dXNlcjpwYXNzd29yZA==");
}

TEST_F(SidecarTest, PassesOnWhatAnAppAnswers) {
  invoke(call());
  EXPECT_EQ(told_after("404 Not Found", "{\"error\":\"no order\"}"), "404 ok {\"error\":\"no order\"}");
  invoke(call());
  EXPECT_EQ(told_after("500 Internal Server Error", "oops"), "500 ok oops");
  invoke(call());
  EXPECT_EQ(told_after("500 Internal Server Error", "why", "trilby-reason: trap\r\n"), "500 trap why");
  invoke(call());
  EXPECT_EQ(told_after("200 OK", "x", "trilby-reason: nonsense\r\n"), "200 ok x");
}

TEST_F(SidecarTest, TellsNoCallerWhatTheSidecarSays) {
  invoke(call());
  const std::string body = R"({"errorCode":"ERR_DIRECT_INVOKE","message":"failed to invoke, dial tcp 10.0.0.7:50002"})";
  EXPECT_EQ(told_after("500 Internal Server Error", body),
            "502 upstream-failed: billing: the sidecar refuses: 500 ERR_DIRECT_INVOKE: failed to invoke, dial tcp "
            "10.0.0.7:50002");
  EXPECT_EQ(outcome->detail, "the app did not answer");
  invoke(call());
  EXPECT_TRUE(told_after("401 Unauthorized", "invalid api token").starts_with("502 upstream-failed"));
}

TEST_F(SidecarTest, StopsWhenTheCallerGoesAway) {
  Call made = call();
  const auto cancellation = made.cancellation;
  invoke(std::move(made));
  auto peer = accept();
  EXPECT_TRUE(peer.request().whole);
  on_loop([&] { cancellation->cancel(Reason::Cancelled); });
  EXPECT_EQ(answer(), "499 cancelled: ");
  EXPECT_TRUE(peer.at_end());
}

TEST_F(SidecarTest, EndsLoopsBetweenApps) {
  Call made = call();
  made.hops = kMaxHops;
  invoke(std::move(made));
  EXPECT_TRUE(answer().starts_with("502 upstream-failed"));
}

TEST_F(SidecarTest, TellsThoseWhoWaitWhenTheClientEnds) {
  invoke(call());
  auto peer = accept();
  EXPECT_TRUE(peer.request().whole);
  on_loop([&] { client.reset(); });
  EXPECT_TRUE(answer().starts_with("503 draining"));
}

TEST(NearestInvocation, GoesThroughTheSidecarOnlyToAppsThatAreElsewhere) {
  struct Elsewhere final : ServiceInvocation {
    void invoke(std::string_view app_id, Call /*call*/, OnOutcome done) override {
      asked += app_id;
      done(refusal(Reason::Ok));
    }
    std::string asked;
  } elsewhere;
  embedded::LocalInvocation here;
  std::string asked_here;
  here.add_app("near", [&](const Call&, const OnOutcome& done) {
    asked_here += "near";
    done(refusal(Reason::Ok));
  });
  const auto ended = [](ServiceInvocation& through, const char* app) {
    Reason reason = Reason::Internal;
    through.invoke(app, Call{}, [&](const Outcome& outcome) { reason = outcome.reason; });
    return reason;
  };
  NearestInvocation with(here, &elsewhere);
  EXPECT_EQ(ended(with, "near"), Reason::Ok);
  EXPECT_EQ(ended(with, "far"), Reason::Ok);
  EXPECT_EQ(asked_here, "near");
  EXPECT_EQ(elsewhere.asked, "far");
  NearestInvocation without(here, nullptr);
  EXPECT_EQ(ended(without, "far"), Reason::UpstreamFailed);
}

}  // namespace
}  // namespace trilby::dapr::sidecar
