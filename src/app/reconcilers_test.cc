#include "app/reconcilers.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include <gtest/gtest.h>

#include "http/server.h"
#include "net/acceptor.h"
#include "net/address.h"
#include "net/socket.h"
#include "net/test_loop.h"

namespace trilby::app {
namespace {

/// One that has no note, and takes whatever it is told.
struct TestSidecar {
  std::optional<http::Server> server;
  bool silent = false;             // it answers nothing but a look
  std::vector<std::string> asked;  // "GET /v1.0/metadata"
  std::vector<std::shared_ptr<http::Exchange>> unanswered;
  int abandoned = 0;  // of these

  void on_request(const std::shared_ptr<http::Exchange>& exchange) {
    asked.push_back(exchange->head().method + " " + exchange->head().target);
    if (silent && asked.back() != "GET /v1.0/metadata") {
      exchange->on_abandoned([this] { ++abandoned; });
      return unanswered.push_back(exchange);
    }
    answer(*exchange);
  }
  void answer_all() {
    for (const auto& exchange : std::exchange(unanswered, {})) {
      answer(*exchange);
    }
  }
  static void answer(http::Exchange& exchange) {
    http::Response response;
    response.status = 200;
    response.body = make_body(R"({"id":"1"})");
    exchange.respond(std::move(response));
  }
  [[nodiscard]] std::ptrdiff_t count(std::string_view what) const {
    return std::count_if(asked.begin(), asked.end(),
                         [&](const std::string& one) { return one.find(what) != std::string::npos; });
  }
};

/// Apps that need a subscription each, and their sidecars on the loop that the reconcilers are on.
class ReconcilersTest : public testing::Test {
 protected:
  ReconcilersTest() {
    thread = std::thread([this] { loop.run(); });
  }
  ~ReconcilersTest() override {
    acceptor.stop();
    on_loop([this] {
      reconcilers.reset();
      sidecars.clear();
    });
    loop.stop();
    thread.join();
  }

  /// \param with_sidecar  of each app
  void make(const std::vector<bool>& with_sidecar) {
    for (const bool has_one : with_sidecar) {
      App app;
      app.id = fmt::format("app{}", manifest.apps.size());
      app.configurations.resize(1);
      app.configurations[0].store = "settings";
      manifest.apps.push_back(app);
      routes.emplace_back();
      if (has_one) {
        routes.back().sidecar = make_sidecar();
      }
    }
    EXPECT_TRUE(acceptor.start());
    on_loop([&] { reconcilers.emplace(loop, manifest, routes); });
  }
  std::shared_ptr<const dapr::sidecar::Settings> make_sidecar() {
    TestSidecar& made = *sidecars.emplace_back(std::make_unique<TestSidecar>());
    on_loop([&] {
      made.server.emplace(
          loop, http::ServerLimits{},
          [&made](const std::shared_ptr<http::Exchange>& exchange) { made.on_request(exchange); },
          [](Reason /*reason*/, std::string_view /*detail*/) { return http::Response{}; });
    });
    net::Socket listening = net::listen_tcp("127.0.0.1", 0).value();
    const auto address = net::Address::parse("127.0.0.1", net::local_port(listening.get())).value();
    acceptor.add(std::move(listening), [&made](std::size_t /*loop*/, net::Accepted connection) {
      made.server->serve(std::move(connection));
    });
    constexpr Bytes kMostBody{1U << 20U};
    return std::make_shared<const dapr::sidecar::Settings>(
        dapr::sidecar::Settings{address, "", std::chrono::hours(1), kMostBody});
  }

  void start() {
    on_loop([&] { reconcilers->start(); });
  }
  void stop() {
    on_loop([&] { reconcilers->stop([this] { ++settled; }); });
  }
  /// Waits until those that are new have looked after the same apps: whatever was on its way before has come.
  void let_others_begin() {
    std::optional<Reconcilers> others;
    std::vector<std::ptrdiff_t> before(sidecars.size());
    on_loop([&] {
      std::transform(sidecars.begin(), sidecars.end(), before.begin(),
                     [](const auto& one) { return one->count("/subscribe"); });
      others.emplace(loop, manifest, routes);
      others->start();
    });
    EXPECT_TRUE(wait_until([&] {
      return std::equal(sidecars.begin(), sidecars.end(), before.begin(),
                        [](const auto& one, std::ptrdiff_t count) { return one->count("/subscribe") > count; });
    }));
    on_loop([&] { others.reset(); });
  }
  void on_loop(const std::function<void()>& work) { net::run_on(loop, work); }
  bool wait_until(const std::function<bool()>& condition) { return net::wait_until(loop, condition); }

  Manifest manifest;
  std::vector<AppRoutes> routes;
  std::vector<std::unique_ptr<TestSidecar>> sidecars;
  int settled = 0;
  net::Loop loop;
  net::Acceptor acceptor{{&loop}};
  std::thread thread;
  std::optional<Reconcilers> reconcilers;
};

TEST_F(ReconcilersTest, LookAfterEachAppThatHasASidecarWhateverBecomesOfOthers) {
  make({true, false, true, true});
  on_loop([&] { sidecars[0]->silent = true; });
  start();
  for (const std::size_t one : {1U, 2U}) {
    EXPECT_TRUE(wait_until([&] { return sidecars[one]->count("/settings/subscribe") == 1; }));
  }
  EXPECT_TRUE(wait_until([&] { return sidecars[0]->unanswered.size() == 1; }));
  on_loop([&] { EXPECT_EQ(sidecars[0]->asked.size(), 2U) << "a look, and the note that came first"; });
}

TEST_F(ReconcilersTest, BeginNothingOnceTheyAreStopped) {
  make({true, true});
  stop();
  on_loop([&] { EXPECT_EQ(settled, 1) << "for there is nothing to wait for"; });
  start();  // which was on its way
  let_others_begin();
  on_loop([&] {
    EXPECT_EQ(sidecars[0]->count("GET /v1.0/metadata"), 1);
    EXPECT_EQ(sidecars[1]->count("GET /v1.0/metadata"), 1);
    EXPECT_EQ(settled, 1);
  });
}

TEST_F(ReconcilersTest, AreSettledAtOnceWhereNoAppHasASidecar) {
  make({false});
  start();
  stop();
  on_loop([&] { EXPECT_EQ(settled, 1); });
}

TEST_F(ReconcilersTest, AreSettledOnceWhatIsUnderWayHasEndedWithAllOfThem) {
  make({true, true, true});
  on_loop([&] { sidecars[0]->silent = sidecars[2]->silent = true; });
  start();
  EXPECT_TRUE(wait_until([&] { return sidecars[0]->unanswered.size() + sidecars[2]->unanswered.size() == 2; }));
  on_loop([&] {
    reconcilers->stop([this] { ++settled; });
    EXPECT_EQ(settled, 0);
    sidecars[0]->silent = sidecars[2]->silent = false;
    sidecars[0]->answer_all();
    sidecars[2]->answer_all();
  });
  EXPECT_TRUE(wait_until([&] { return settled > 0; }));
  let_others_begin();
  on_loop([&] {
    EXPECT_EQ(settled, 1);
    EXPECT_EQ(sidecars[0]->abandoned + sidecars[2]->abandoned, 0);
  });
}

TEST_F(ReconcilersTest, GiveUpWhatIsUnderWayForLongBeforeTheyAreSettled) {
  make({true, true});
  on_loop([&] { sidecars[0]->silent = sidecars[1]->silent = true; });
  start();
  EXPECT_TRUE(wait_until([&] { return sidecars[0]->unanswered.size() + sidecars[1]->unanswered.size() == 2; }));
  stop();
  on_loop([&] { sidecars[0]->answer_all(); });  // the other one never answers
  EXPECT_TRUE(wait_until([&] { return settled > 0; }));
  EXPECT_TRUE(wait_until([&] { return sidecars[1]->abandoned == 1; }));
  on_loop([&] {
    sidecars[0]->silent = sidecars[1]->silent = false;
    sidecars[1]->answer_all();
  });
  let_others_begin();
  on_loop([&] {
    EXPECT_EQ(settled, 1);
    EXPECT_EQ(sidecars[0]->abandoned, 0);
  });
}

}  // namespace
}  // namespace trilby::app
