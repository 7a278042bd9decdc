#include "app/span_exporter.h"

#include <chrono>
#include <functional>
#include <optional>
#include <thread>

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "http/server.h"
#include "net/acceptor.h"
#include "net/address.h"
#include "net/loop.h"
#include "net/socket.h"
#include "net/test_loop.h"
#include "observe/span.h"

namespace trilby::app {
namespace {

/// A collector on the loop that the exporter is on, which answers as the test says.
class SpanExporterTest : public testing::Test {
 protected:
  void SetUp() override {
    net::Socket listening = net::listen_tcp("127.0.0.1", 0).value();
    port = net::local_port(listening.get());
    acceptor.add(std::move(listening),
                 [this](std::size_t /*loop*/, net::Accepted connection) { server->serve(std::move(connection)); });
    thread = std::thread([this] { loop.run(); });
    on_loop([&] {
      server.emplace(
          loop, http::ServerLimits{}, [this](const std::shared_ptr<http::Exchange>& exchange) { collect(exchange); },
          [](Reason /*reason*/, std::string_view /*detail*/) { return http::Response{}; });
      client.emplace(loop, http::ClientLimits{});
      make_exporter(port);
    });
    ASSERT_TRUE(acceptor.start());
  }
  void TearDown() override {
    acceptor.stop();
    on_loop([this] {
      exporter.reset();
      client.reset();
      unanswered.clear();
      server.reset();
    });
    loop.stop();
    thread.join();
  }
  void make_exporter(std::uint16_t at) {
    exporter.emplace(
        loop, *client,
        OtlpTarget{net::Address::parse("127.0.0.1", at).value(), "/v1/traces", {{"key", "secret"}}, timeout},
        std::vector<std::string>{""}, "1", backlog, metrics);
  }
  void on_loop(const std::function<void()>& work) { net::run_on(loop, work); }
  bool wait_until(const std::function<bool()>& condition) { return net::wait_until(loop, condition); }

  void collect(const std::shared_ptr<http::Exchange>& exchange) {
    paths.push_back(exchange->head().method + " " + exchange->head().target);
    fields = exchange->head().fields;
    if (silent) {
      return unanswered.push_back(exchange);
    }
    const std::size_t at = std::min(paths.size(), statuses.size()) - 1;
    http::Response response;
    response.status = statuses[at];
    response.fields = answer_fields;
    response.body = make_body(answer);
    exchange->respond(std::move(response));
  }
  observe::SpanBatch batch(std::uint32_t count = 1) {
    observe::SpanBatch made{0, count, {}};
    observe::SpanWriter writer;
    for (std::uint32_t i = 0; i < count; ++i) {
      writer.begin({{1, 2}, 3, 0, false, {}}, observe::SpanKind::Server, "x", 0, 0);
      writer.end(made.spans);
    }
    backlog += made.spans.size();
    return made;
  }
  void add(std::uint32_t count = 1) {
    on_loop([&] { exporter->add({batch(count)}); });
  }
  bool settled() {
    return wait_until([this] { return backlog == 0; });
  }

  std::uint16_t port = 0;
  Duration timeout = std::chrono::seconds(10);
  bool silent = false;             // the collector does not answer
  std::vector<int> statuses{200};  // of one answer after the other; the last holds for all that follow
  Fields answer_fields;
  std::string answer;
  std::vector<std::string> paths;
  std::vector<std::shared_ptr<http::Exchange>> unanswered;
  Fields fields;
  std::atomic<std::size_t> backlog{0};
  observe::ExportMetrics metrics;
  net::Loop loop;
  net::Acceptor acceptor{{&loop}};
  std::optional<http::Server> server;
  std::optional<http::Client> client;
  std::thread thread;
  std::optional<SpanExporter> exporter;
};

TEST_F(SpanExporterTest, BringsSpansAndCountsThem) {
  add(3);
  ASSERT_TRUE(settled());
  EXPECT_EQ(metrics.exported.value(), 3U);
  EXPECT_EQ(paths, std::vector<std::string>{"POST /v1/traces"});
  EXPECT_EQ(*fields.find("content-type"), "application/x-protobuf");
  EXPECT_EQ(*fields.find("key"), "secret");
}

TEST_F(SpanExporterTest, CountsWhatIsRefused) {
  answer = std::string("\x0a\x02\x08\x02", 4);  // partial success: two were rejected
  add(3);
  ASSERT_TRUE(settled());
  EXPECT_EQ(metrics.exported.value(), 1U);
  EXPECT_EQ(metrics.refused.value(), 2U);
  answer = std::string("\x0a\x03\x08\xff\x7f", 5);  // more than there were
  add(3);
  ASSERT_TRUE(settled());
  EXPECT_EQ(metrics.refused.value(), 5U);
  statuses = {400};
  answer = "no";
  add(7);
  ASSERT_TRUE(settled());
  EXPECT_EQ(metrics.refused.value(), 12U);
  EXPECT_EQ(metrics.exported.value(), 1U);
  EXPECT_EQ(paths.size(), 3U) << "it is not sent again";
}

TEST_F(SpanExporterTest, SendsAgainWhatIsRefusedForNow) {
  statuses = {503, 200};
  add(2);
  ASSERT_TRUE(wait_until([this] { return metrics.exported.value() == 2; }));
  EXPECT_EQ(paths.size(), 2U);
  EXPECT_EQ(backlog, 0U);
  EXPECT_EQ(metrics.refused.value() + metrics.unreachable.value(), 0U);
}

TEST_F(SpanExporterTest, GrantsAMinuteAtMost) {
  const auto after = [](std::string text) { return retry_after({{"retry-after", std::move(text)}}); };
  EXPECT_EQ(retry_after({}), Duration::zero());
  EXPECT_EQ(after("7"), std::chrono::seconds(7));
  for (const char* more : {"61", "4294967295", "4294967296", "99999999999", "99999999999999999999999999"}) {
    EXPECT_EQ(after(more), std::chrono::seconds(60)) << more;
  }
  for (const char* none : {"", "-1", "1.5", "99999999999x", "Fri, 31 Dec 1999 23:59:59 GMT"}) {
    EXPECT_EQ(after(none), Duration::zero()) << none;
  }
}

TEST_F(SpanExporterTest, WaitsForAnAnswerAsLongAsItIsTold) {
  silent = true;
  timeout = std::chrono::milliseconds(5);
  on_loop([&] {
    exporter.reset();
    make_exporter(port);
  });
  add(2);
  EXPECT_TRUE(wait_until([this] { return paths.size() == 2; })) << "it is sent again";
}

TEST_F(SpanExporterTest, GivesUpWhenItEnds) {
  statuses = {503};
  answer_fields = {{"retry-after", "3600"}};
  add(2);
  ASSERT_TRUE(wait_until([this] { return paths.size() == 1; }));
  add(5);  // waits behind the others
  std::atomic<bool> done{false};
  on_loop([&] { exporter->flush([&] { done = true; }); });
  ASSERT_TRUE(wait_until([&] { return done.load(); }));
  EXPECT_EQ(paths.size(), 2U) << "once more, without the pause";
  EXPECT_EQ(metrics.unreachable.value(), 7U);
  EXPECT_EQ(backlog, 0U);
}

TEST_F(SpanExporterTest, EndsWhenAllHasArrived) {
  std::atomic<bool> done{false};
  on_loop([&] {
    exporter->add({batch(2), batch(1)});
    exporter->add({batch(4)});
    exporter->flush([&] { done = true; });
    EXPECT_FALSE(done);
  });
  ASSERT_TRUE(wait_until([&] { return done.load(); }));
  EXPECT_EQ(metrics.exported.value(), 7U);
  EXPECT_EQ(paths.size(), 2U) << "what waited went together";
}

TEST_F(SpanExporterTest, CountsWhatReachesNobody) {
  // Bound, and not listened on: others cannot have that port.
  const net::Socket unheard(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto any = net::Address::parse("127.0.0.1", 0).value();
  ASSERT_EQ(::bind(unheard.get(), any.get(), any.size()), 0);
  on_loop([&] {
    exporter.reset();
    make_exporter(net::local_port(unheard.get()));
  });
  add(3);
  std::atomic<bool> done{false};
  on_loop([&] { exporter->flush([&] { done = true; }); });
  ASSERT_TRUE(wait_until([&] { return done.load(); }));
  EXPECT_EQ(metrics.unreachable.value(), 3U);
}

}  // namespace
}  // namespace trilby::app
