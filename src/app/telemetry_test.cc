#include "app/telemetry.h"

#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "http/server.h"
#include "net/acceptor.h"
#include "net/socket.h"
#include "net/test_loop.h"

namespace trilby::app {
namespace {

/// Metrics of two loops, pushed to a collector on another, which answers when the test says.
class TelemetryTest : public testing::Test {
 protected:
  void SetUp() override {
    net::Socket listening = net::listen_tcp("127.0.0.1", 0).value();
    manifest.observe.metrics = OtlpEndpoint{{"127.0.0.1", net::local_port(listening.get())}, "/v1/metrics"};
    manifest.observe.metric_interval = std::chrono::milliseconds(1);
    acceptor.add(std::move(listening),
                 [this](std::size_t /*loop*/, net::Accepted connection) { server->serve(std::move(connection)); });
    thread = std::thread([this] { collector.run(); });
    net::run_on(collector, [this] {
      server.emplace(
          collector, http::ServerLimits{},
          [this](const std::shared_ptr<http::Exchange>& exchange) { asked.push_back(exchange); },
          [](Reason /*reason*/, std::string_view /*detail*/) { return http::Response{}; });
    });
    ASSERT_TRUE(acceptor.start());
    home.start();
    other.start();
    net::run_on(home.loop(), [this] { telemetry.emplace(manifest, Fields(), Fields(), home, metrics); });
  }
  void TearDown() override {
    net::run_on(home.loop(), [this] { telemetry.reset(); });
    home.stop();
    other.stop();
    acceptor.stop();
    net::run_on(collector, [this] {
      asked.clear();
      server.reset();
    });
    collector.stop();
    thread.join();
  }
  bool have_come(std::size_t pushes) {
    return net::wait_until(collector, [&] { return asked.size() >= pushes; });
  }
  void answer(std::size_t push, std::string body) {
    net::run_on(collector, [&] {
      http::Response response;
      response.status = 200;
      response.body = make_body(std::move(body));
      asked.at(push)->respond(std::move(response));
    });
  }

  Manifest manifest;
  observe::Labels labels;
  net::Loop collector;
  net::Acceptor acceptor{{&collector}};
  std::optional<http::Server> server;
  std::vector<std::shared_ptr<http::Exchange>> asked;
  std::thread thread;
  invoke::SiblingLoops siblings;
  ServingLoop home{labels, -1, log::Format::Human, {}, {}, nullptr, siblings};
  ServingLoop other{labels, -1, log::Format::Human, {}, {}, nullptr, siblings};
  MetricsSource metrics{home, {&home, &other}, {}, labels};
  std::optional<Telemetry> telemetry;
};

TEST_F(TelemetryTest, SaysThatDataPointsAreRefused) {
  testing::internal::CaptureStderr();
  ASSERT_TRUE(have_come(1));
  answer(0, std::string("\x0a\x02\x08\x07", 4));  // partial success
  ASSERT_TRUE(have_come(2));
  answer(1, {});
  ASSERT_TRUE(have_come(3));
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("metrics do not reach their collector"), std::string::npos) << log;
  EXPECT_NE(log.find("the collector refuses 7 data points"), std::string::npos) << log;
  EXPECT_NE(log.find("metrics reach their collector again"), std::string::npos) << log;
}

TEST_F(TelemetryTest, EndsWithAPushOfItsOwn) {
  ASSERT_TRUE(have_come(1));  // and is under way
  std::promise<void> go_on;
  other.loop().post([turning = go_on.get_future().share()] { turning.wait(); });  // its numbers are waited for
  std::promise<void> ended;
  net::run_on(home.loop(), [&] { telemetry->flush([&] { ended.set_value(); }); });
  const auto end = ended.get_future();
  answer(0, {});
  EXPECT_TRUE(have_come(2)) << "the last one";
  EXPECT_EQ(end.wait_for(std::chrono::seconds(0)), std::future_status::timeout) << "that of before is no end";
  answer(1, {});
  EXPECT_EQ(end.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  go_on.set_value();
}

}  // namespace
}  // namespace trilby::app
