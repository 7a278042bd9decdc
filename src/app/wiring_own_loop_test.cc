// What calls on loops of their own ask a sidecar, with a peer that says what the test wants and calls that follow a
// script.
#include "app/wiring_own_loop.h"

#include <future>
#include <list>
#include <mutex>
#include <thread>
#include <utility>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include "http/test_server.h"
#include "invoke/own_loops.h"
#include "net/socket.h"
#include "net/test_loop.h"
#include "observe/test_spans.h"

namespace trilby::app {
namespace {

using namespace std::chrono_literals;

constexpr const char* kTrace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Each of its calls saves its input as a state, by the ways of its loop.
class Saves final : public invoke::AdmittedInvoker {
 public:
  explicit Saves(net::Loop& loop) : ways(loop) {}

  void start(const std::shared_ptr<const invoke::Function>& /*function*/, Call /*call*/, OnOutcome done) override {
    done(refusal(Reason::Internal));
  }
  void start_admitted(invoke::AdmittedCall call, std::shared_ptr<Cancellation> cancellation, OnOutcome done) override {
    const dapr::AppWays* const by = ways.find(call.asker->app_id);
    if (by == nullptr || by->blocks == nullptr) {
      return done(refusal(Reason::NotFound));
    }
    const auto live = live_.insert(live_.end(), {std::move(cancellation), std::move(done), nullptr});
    live->cancellation->listen([this, live](Reason why) { end(live, why); });
    dapr::Terms terms;
    terms.trace = call.asker->trace;
    live->asking = by->blocks->save_state(
        {"store", "key", {}, {std::make_shared<const std::string>(call.input), "application/json"}}, terms,
        [this, live](const Result<void>& result) { end(live, result ? Reason::Ok : result.error().reason); });
  }
  [[nodiscard]] std::size_t live() const override { return live_.size(); }
  void cancel_all(Reason why) override {
    while (!live_.empty()) {
      end(live_.begin(), why);
    }
  }

  OwnLoopWays ways;

 private:
  struct Live {
    std::shared_ptr<Cancellation> cancellation;
    OnOutcome done;
    std::shared_ptr<void> asking;
  };
  void end(std::list<Live>::iterator live, Reason reason) {
    live->cancellation->listen(nullptr);
    const OnOutcome done = std::move(live->done);
    live_.erase(live);  // gives up what is under way
    done(refusal(reason));
  }

  std::list<Live> live_;
};

class OwnLoopWaysTest : public testing::Test {
 protected:
  OwnLoopWaysTest() : thread_([this] { home_.run(); }) {
    apps_[0].app = "alone";
    apps_[1].app = "shop";
    apps_[1].sidecar = std::make_shared<const dapr::sidecar::Settings>(dapr::sidecar::Settings{
        net::Address::parse("127.0.0.1", net::local_port(listening_.get())).value(), "secret-token", 60s, Bytes{1000}});
  }
  ~OwnLoopWaysTest() override {
    own_.stop();
    net::run_on(home_, [this] { away_.clear(); });
    home_.stop();
    thread_.join();
  }

  void add(const std::optional<SpanExport>& spans = std::nullopt) {
    for (std::size_t i = 0; i < own_.count(); ++i) {
      net::run_on(own_.loop(i), [&] { made_[i]->ways.add(apps_, spans, own_.metrics(i), labels_); });
    }
  }
  [[nodiscard]] SpanExport spans(Duration delay) {
    return {observe::Sampler(), delay, backlog_, [this](std::vector<observe::SpanBatch> batches) {
              const std::lock_guard lock(mutex_);
              for (observe::SpanBatch& batch : batches) {
                exported_.push_back(std::move(batch));
              }
            }};
  }
  /// A call of an app's function, on one of the loops. \return how it ends
  std::future<Reason> call(std::string app, std::string input = "7") {
    auto ended = std::make_shared<std::promise<Reason>>();
    auto future = ended->get_future();
    net::run_on(home_, [&] {
      away_.push_back(own_.hand_over(
          {.function = nullptr,
           .app = nullptr,
           .id = "call-0123456789abcdef",
           .input = std::move(input),
           .input_share = {},
           .request = {},
           .asker =
               invoke::DaprAsker{
                   .app_id = std::move(app), .peer = "", .trace = {kTrace, ""}, .hops = 0, .actor = nullptr},
           .deadline = Clock::time_point::max(),
           .began = Clock::now(),
           .slots = {}},
          home_, [ended](const Outcome& outcome) { ended->set_value(outcome.reason); }));
    });
    return future;
  }
  http::TestPeer accept() const {
    pollfd polled{.fd = listening_.get(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(poll(&polled, 1, 10'000), 1) << "nobody connects";
    return http::TestPeer(net::Socket(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
  }
  /// Of the app with a sidecar, once there are as many.
  std::vector<observe::ReadSpan> wait_for_spans(std::size_t count) {
    for (const auto until = Clock::now() + 10s; Clock::now() < until; std::this_thread::yield()) {
      const std::lock_guard lock(mutex_);
      std::vector<observe::ReadSpan> read;
      for (const observe::SpanBatch& batch : exported_) {
        EXPECT_EQ(batch.service, 1U);
        for (observe::ReadSpan& span : observe::read_spans(batch.spans)) {
          read.push_back(std::move(span));
        }
      }
      if (read.size() >= count) {
        return read;
      }
    }
    ADD_FAILURE() << "no spans come";
    return {};
  }

  const observe::Labels labels_;
  std::atomic<std::size_t> backlog_{0};
  std::mutex mutex_;
  std::vector<observe::SpanBatch> exported_;  // guarded by mutex_
  net::Socket listening_ = net::listen_tcp("127.0.0.1", 0).value();
  std::vector<AppRoutes> apps_{2};
  std::vector<Saves*> made_;
  net::Loop home_;
  std::thread thread_;
  invoke::OwnLoops own_{2, [this](net::Loop& loop) {
                          auto saves = std::make_unique<Saves>(loop);
                          made_.push_back(saves.get());
                          return saves;
                        }};
  std::vector<std::unique_ptr<invoke::Away>> away_;  // of home_'s loop
};

TEST_F(OwnLoopWaysTest, AskTheSidecarOfTheAppWithASpanBelowTheCall) {
  add(spans(1ms));
  auto ended = call("shop", "{\"a\":1}");
  auto peer = accept();
  const http::Answer asked = peer.request();
  peer.send("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(ended.get(), Reason::Ok);
  EXPECT_TRUE(asked.head.starts_with("POST /v1.0/state/store HTTP/1.1")) << asked.head;
  EXPECT_EQ(asked.field("dapr-api-token"), "secret-token");
  EXPECT_EQ(asked.body, R"([{"key":"key","value":{"a":1}}])");
  const auto recorded = wait_for_spans(1);
  ASSERT_EQ(recorded.size(), 1U);
  EXPECT_EQ(recorded[0].name, "save state store");
  EXPECT_EQ(recorded[0].parent, "00f067aa0ba902b7");
  EXPECT_EQ(asked.field("traceparent"), fmt::format("00-{}-{}-01", recorded[0].trace, recorded[0].id));
}

TEST_F(OwnLoopWaysTest, HandOverTheirSpansWhenTheyAreAskedTo) {
  add(spans(1h));
  auto ended = call("shop");
  auto peer = accept();
  (void)peer.request();
  peer.send("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(ended.get(), Reason::Ok);
  for (std::size_t i = 0; i < own_.count(); ++i) {
    net::run_on(own_.loop(i), [&] { made_[i]->ways.hand_over_spans(); });
  }
  EXPECT_EQ(wait_for_spans(1).size(), 1U);
}

TEST_F(OwnLoopWaysTest, CountSpansForWhichThereIsNoRoom) {
  add(spans(1h));
  backlog_ = observe::SpanQueue::kMaxBacklog;
  auto ended = call("shop");
  auto peer = accept();
  (void)peer.request();
  peer.send("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(ended.get(), Reason::Ok);
  EXPECT_EQ(own_.metrics(0).dropped_spans.value() + own_.metrics(1).dropped_spans.value(), 1U);
}

TEST_F(OwnLoopWaysTest, PassTheTraceOnWhereNothingIsRecorded) {
  add();
  auto ended = call("shop");
  auto peer = accept();
  EXPECT_EQ(peer.request().field("traceparent"), kTrace);
  peer.send("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(ended.get(), Reason::Ok);
}

TEST_F(OwnLoopWaysTest, AreThoseOfTheManifestsApps) {
  add();
  EXPECT_EQ(call("other").get(), Reason::NotFound);
  EXPECT_EQ(call("alone").get(), Reason::NotFound) << "it has no sidecar";
  net::run_on(own_.loop(0), [&] {
    const dapr::AppWays* const alone = made_[0]->ways.find("alone");
    ASSERT_NE(alone, nullptr);
    EXPECT_EQ(alone->app_id, "alone");
    Reason reason = Reason::Ok;
    Call to_shop;
    to_shop.body = make_body("");
    alone->invocation.invoke("shop", std::move(to_shop), [&](const Outcome& outcome) { reason = outcome.reason; });
    EXPECT_EQ(reason, Reason::UpstreamFailed) << "no app is served there";
  });
}

TEST_F(OwnLoopWaysTest, GiveUpWhatACallAskedThatIsCancelled) {
  add();
  auto ended = call("shop");
  auto peer = accept();
  EXPECT_TRUE(peer.request().whole);
  net::run_on(home_, [this] { EXPECT_TRUE(away_.back()->cancel(Reason::Cancelled)); });
  EXPECT_EQ(ended.get(), Reason::Cancelled);
  EXPECT_TRUE(peer.at_end());
}

TEST_F(OwnLoopWaysTest, EndWithTheirLoopWhateverIsUnderWay) {
  add(spans(1ms));
  std::vector<std::future<Reason>> ended;
  for (int i = 0; i < 20; ++i) {
    ended.push_back(call("shop"));
  }
  auto peer = accept();
  EXPECT_TRUE(peer.request().whole);
  own_.stop();
  for (auto& one : ended) {
    EXPECT_EQ(one.get(), Reason::Draining);
  }
  EXPECT_TRUE(peer.at_end());
}

}  // namespace
}  // namespace trilby::app
