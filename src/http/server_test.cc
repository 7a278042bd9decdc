// Requests and answers on one connection: order, reuse, refusals, the end.
#include "http/server.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "http/test_server.h"

namespace trilby::http {
namespace {

using namespace std::chrono_literals;

/// Answers with method and target; what begins with "/later" only when told to.
struct Handlers {
  std::map<std::string, std::shared_ptr<Exchange>> later;
  int abandoned = 0;

  Handler handler() {
    return [this](const std::shared_ptr<Exchange>& exchange) {
      const RequestHead& head = exchange->head();
      if (head.target.starts_with("/later")) {
        exchange->on_abandoned([this] { ++abandoned; });
        later[head.target] = exchange;
      } else {
        exchange->respond(text_response(head.method + " " + head.target));
      }
    };
  }
  void answer(const std::string& target) {
    const auto node = later.extract(target);
    ASSERT_TRUE(node) << target;
    node.mapped()->respond(text_response(target));
  }
  void drop_all() { later.clear(); }
};

class ServerTest : public testing::Test {
 protected:
  ~ServerTest() override {
    if (server) {
      server->on_loop([this] { handlers.drop_all(); });
    }
  }
  TestServer& start(ServerLimits limits = {}) { return server.emplace(handlers.handler(), limits); }
  bool has_later(const std::string& target) {
    return server->wait_until([&] { return handlers.later.contains(target); });
  }
  void answer(const std::string& target) {
    server->on_loop([&] { handlers.answer(target); });
  }

  Handlers handlers;
  std::optional<TestServer> server;
};

TEST_F(ServerTest, AnswersManyRequestsOnOneConnection) {
  auto client = start().connect();
  for (const char* target : {"/1", "/2?q", "/3"}) {
    const Answer answer = client.get(target);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, std::string("GET ") + target);
    EXPECT_EQ(answer.field("content-type"), "text/plain");
    EXPECT_EQ(answer.field("connection"), std::nullopt);
    EXPECT_EQ(answer.field("date").value_or("").size(), 29U);
  }
  EXPECT_EQ(server->server().connections(), 1U);
}

TEST_F(ServerTest, AnswersPipelinedRequestsInOrder) {
  auto client = start().connect();
  std::string requests;
  for (int i = 0; i < 10; ++i) {
    requests += fmt::format("GET /{}{} HTTP/1.1\r\nHost: h\r\n\r\n", i % 3 == 0 ? "later" : "", i);
  }
  client.send(requests);
  for (int i = 0; i < 10; ++i) {
    if (i % 3 == 0) {
      const std::string target = fmt::format("/later{}", i);
      ASSERT_TRUE(has_later(target));
      server->on_loop([&] { EXPECT_EQ(handlers.later.size(), 1U); });  // the next is not begun before this is answered
      answer(target);
    }
    EXPECT_TRUE(client.answer().body.ends_with(std::to_string(i)));
  }
}

TEST_F(ServerTest, ManyPipelinedRequestsDoNotDeepenTheStack) {
  auto client = start().connect();
  std::string requests;
  for (int i = 0; i < 5'000; ++i) {
    requests += "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
  }
  std::thread sender([&] { client.send(requests); });
  int answered = 0;
  while (answered < 5'000 && client.answer().status == 200) {
    ++answered;
  }
  sender.join();
  EXPECT_EQ(answered, 5'000);
}

TEST_F(ServerTest, ClosesWhenThePeerAsksForIt) {
  auto client = start().connect();
  client.send("GET /1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  const Answer answer = client.answer();
  EXPECT_EQ(answer.body, "GET /1");
  EXPECT_EQ(answer.field("connection"), "close");
  EXPECT_TRUE(client.at_end());
}

TEST_F(ServerTest, ServesHttp10AndCloses) {
  auto client = start().connect();
  client.send("GET /old HTTP/1.0\r\n\r\n");
  const Answer answer = client.answer();
  EXPECT_EQ(answer.body, "GET /old");
  EXPECT_EQ(answer.field("connection"), "close");
  EXPECT_TRUE(client.at_end());
}

TEST_F(ServerTest, AnswersHeadWithTheLengthOnly) {
  auto client = start().connect();
  client.send("HEAD /h HTTP/1.1\r\nHost: h\r\n\r\n");
  const Answer answer = client.answer(true);
  EXPECT_EQ(answer.field("content-length"), "7");
  EXPECT_EQ(client.get("/next").body, "GET /next");
}

TEST_F(ServerTest, RefusesGarbageOnceAndCloses) {
  start();
  for (const char* garbage :
       {"\x16\x03\x01\x02\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\nA : b\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}) {
    auto client = server->connect();
    client.send(garbage);
    client.send("GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n");
    const Answer answer = client.answer();
    EXPECT_EQ(answer.status, 400) << garbage;
    EXPECT_TRUE(answer.body.starts_with("bad-request: ")) << answer.body;
    EXPECT_EQ(answer.field("connection"), "close");
    EXPECT_TRUE(client.at_end()) << garbage;
  }
}

TEST_F(ServerTest, RefusesGarbageAfterAnsweringWhatCameBeforeIt) {
  auto client = start().connect();
  client.send("GET /later HTTP/1.1\r\nHost: h\r\n\r\nnonsense\r\n\r\n");
  ASSERT_TRUE(has_later("/later"));
  answer("/later");
  EXPECT_EQ(client.answer().status, 200);
  EXPECT_EQ(client.answer().status, 400);
  EXPECT_TRUE(client.at_end());
}

TEST_F(ServerTest, RefusesHeadsOverTheLimits) {
  start();
  auto large = server->connect();
  large.send("GET / HTTP/1.1\r\nHost: h\r\nA: " + std::string(100'000, 'x') + "\r\n\r\n");
  EXPECT_EQ(large.answer().status, 431);
  EXPECT_TRUE(large.at_end());
  auto many = server->connect();
  std::string head = "GET / HTTP/1.1\r\nHost: h\r\n";
  for (int i = 0; i < 100; ++i) {
    head += "A: b\r\n";
  }
  many.send(head + "\r\n");
  EXPECT_EQ(many.answer().status, 431);
  EXPECT_TRUE(many.at_end());
  EXPECT_EQ(server->connect().get("/ok").status, 200);
}

TEST_F(ServerTest, TakesAHeadThatIsLargerThanItsBuffer) {
  auto client = start().connect();
  client.send("GET /" + std::string(20'000, 'x') + " HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.answer().body.size(), 20'005U);
}

TEST_F(ServerTest, RefusesExpectationsNobodyKnows) {
  auto client = start().connect();
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nExpect: miracles\r\n\r\n");
  EXPECT_EQ(client.answer().status, 417);
  EXPECT_TRUE(client.at_end());
}

TEST_F(ServerTest, GivesUpOnAHeadThatComesTooSlowly) {
  auto client = start({.head_timeout = 20ms}).connect();
  client.send("GET / HTTP/1.1\r\nHos");
  const Answer answer = client.answer();
  EXPECT_EQ(answer.status, 408);
  EXPECT_TRUE(answer.body.starts_with("request-timeout: "));
  EXPECT_TRUE(client.at_end());
}

TEST_F(ServerTest, AByteNowAndThenDoesNotProlongTheHead) {
  auto client = start({.head_timeout = 40ms}).connect();
  for (const char byte : std::string_view("GET / HTTP/1.1\r\nA: bcdefghijklmnop")) {
    if (client.send_what_fits({&byte, 1}) == 0 || server->server().connections() == 0) {
      break;
    }
    std::this_thread::sleep_for(2ms);
  }
  EXPECT_EQ(client.answer().status, 408);
}

TEST_F(ServerTest, ClosesConnectionsThatStayIdle) {
  start({.head_timeout = 10s, .keep_alive = 20ms});
  auto silent = server->connect();
  EXPECT_TRUE(silent.at_end());
  std::optional<TestClient> once;
  Answer answer;
  for (int tries = 0; answer.status == 0 && tries < 100; ++tries) {  // one that asks too late finds it closed
    answer = once.emplace(server->connect()).get("/1");
  }
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(once->at_end());
  EXPECT_TRUE(server->wait_until([&] { return server->server().connections() == 0; }));
}

TEST_F(ServerTest, TakesNoMoreConnectionsThanItMay) {
  start({.connections = 1});
  auto first = server->connect();
  auto second = server->connect();
  EXPECT_TRUE(second.at_end());
  EXPECT_EQ(first.get("/1").status, 200);
}

TEST_F(ServerTest, NoticesAClientThatResets) {
  auto client = start().connect();
  client.send("GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(has_later("/later"));
  client.reset();
  EXPECT_TRUE(server->wait_until([&] { return handlers.abandoned == 1; }));
  EXPECT_EQ(server->server().connections(), 0U);
  answer("/later");  // harmless
}

TEST_F(ServerTest, NoticesAClientThatCloses) {
  auto client = start().connect();
  client.send("GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(has_later("/later"));
  client.close();
  EXPECT_TRUE(server->wait_until([&] { return handlers.abandoned == 1; }));
  server->on_loop([&] { handlers.drop_all(); });
  EXPECT_TRUE(server->wait_until([&] { return server->server().connections() == 0; }));
}

TEST_F(ServerTest, StillAnswersAClientThatOnlyStoppedSending) {
  auto client = start().connect();
  client.send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /later HTTP/1.1\r\nHost: h\r\n\r\n");
  client.shutdown_send();
  EXPECT_EQ(client.answer().body, "GET /1");
  EXPECT_TRUE(server->wait_until([&] { return handlers.abandoned == 1; }));
  answer("/later");
  EXPECT_EQ(client.answer().body, "/later");
  EXPECT_TRUE(client.at_end());
}

TEST_F(ServerTest, AListenerThatComesTooLateIsCalledAtOnce) {
  auto client = start().connect();
  client.send("GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(has_later("/later"));
  client.close();
  EXPECT_TRUE(server->wait_until([&] { return handlers.abandoned == 1; }));
  bool called = false;
  server->on_loop([&] { handlers.later["/later"]->on_abandoned([&] { called = true; }); });
  EXPECT_TRUE(called);
}

TEST_F(ServerTest, AnAnsweredExchangeIsNeverAbandoned) {
  auto client = start().connect();
  client.send("GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(has_later("/later"));
  std::shared_ptr<Exchange> kept;
  server->on_loop([&] { kept = handlers.later["/later"]; });
  answer("/later");
  EXPECT_EQ(client.answer().status, 200);
  client.close();
  EXPECT_TRUE(server->wait_until([&] { return server->server().connections() == 0; }));
  server->on_loop([&] {
    kept->respond(text_response("again"));
    kept->on_abandoned([&] { ++handlers.abandoned; });
    EXPECT_FALSE(kept->peer().empty());
    kept.reset();
  });
  EXPECT_EQ(handlers.abandoned, 0);
}

TEST_F(ServerTest, AnExchangeThatNobodyAnswersIsADefect) {
  auto client = start().connect();
  client.send("GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(has_later("/later"));
  server->on_loop([&] { handlers.drop_all(); });
  const Answer answer = client.answer();
  EXPECT_EQ(answer.status, 500);
  EXPECT_TRUE(answer.body.starts_with("internal"));
}

TEST_F(ServerTest, AnInvalidStatusIsADefect) {
  server.emplace([](const std::shared_ptr<Exchange>& exchange) {
    Response response = text_response("x");
    response.status = exchange->head().target == "/low" ? 101 : 1000;
    exchange->respond(std::move(response));
  });
  auto client = server->connect();
  EXPECT_EQ(client.get("/low").status, 500);
  EXPECT_EQ(client.get("/high").status, 500);
}

TEST_F(ServerTest, DestroyingTheServerAbandonsWhatIsUnderWay) {
  auto client = start().connect();
  client.send("GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(has_later("/later"));
  server->destroy_server();
  EXPECT_TRUE(client.at_end());
  EXPECT_EQ(handlers.abandoned, 1);
  answer("/later");  // harmless
}

TEST_F(ServerTest, ADrainAnswersTheNextRequestOfEachConnectionAndClosesIt) {
  start({.drain_idle = 10min});
  bool drained = false;
  auto kept = server->connect();
  EXPECT_EQ(kept.get("/1").status, 200);
  auto silent = server->connect();
  auto busy = server->connect();
  busy.send("GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(has_later("/later"));
  server->on_loop([&] { server->server().drain([&] { drained = true; }); });
  auto dealt_before = server->connect();
  answer("/later");
  for (TestClient* client : {&kept, &silent, &dealt_before}) {
    client->send("GET /last HTTP/1.1\r\nHost: h\r\n\r\n");
  }
  server->on_loop([&] { EXPECT_FALSE(drained); });
  for (TestClient* client : {&busy, &kept, &silent, &dealt_before}) {
    const Answer last = client->answer();
    EXPECT_EQ(last.status, 200);
    EXPECT_EQ(last.field("connection"), "close");
    EXPECT_TRUE(client->at_end());
    client->close();
  }
  EXPECT_TRUE(server->wait_until([&] { return drained; }));
}

TEST_F(ServerTest, ADrainClosesWhatStaysIdle) {
  start({.drain_idle = 20ms});
  bool drained = false;
  auto kept = server->connect();
  EXPECT_EQ(kept.get("/1").status, 200);
  auto silent = server->connect();
  server->on_loop([&] { server->server().drain([&] { drained = true; }); });
  auto late = server->connect();
  EXPECT_TRUE(kept.at_end());
  EXPECT_TRUE(silent.at_end());
  EXPECT_TRUE(late.at_end());
  EXPECT_TRUE(server->wait_until([&] { return drained; }));
}

TEST_F(ServerTest, ADrainLetsAHeadThatHasBegunComeToItsEnd) {
  start({.drain_idle = 10min});
  bool drained = false;
  auto client = server->connect();
  client.send("GET /1 HTTP/1.1\r\nHo");
  server->on_loop([&] { server->server().drain([&] { drained = true; }); });
  client.send("st: h\r\n\r\n");
  EXPECT_EQ(client.answer().field("connection"), "close");
  EXPECT_TRUE(client.at_end());
  client.close();
  EXPECT_TRUE(server->wait_until([&] { return drained; }));
}

TEST_F(ServerTest, DrainsAtOnceWhenNobodyIsThere) {
  start();
  bool drained = false;
  server->on_loop([&] { server->server().drain([&] { drained = true; }); });
  EXPECT_TRUE(server->wait_until([&] { return drained; }));
}

}  // namespace
}  // namespace trilby::http
