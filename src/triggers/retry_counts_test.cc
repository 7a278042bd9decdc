#include "triggers/retry_counts.h"

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "dapr/embedded/service_invocation.h"
#include "triggers/delivery.h"
#include "triggers/test_fakes.h"

namespace trilby::triggers {
namespace {

/// A state store that answers when the test says, or at once.
class FakeStore final : public BlocksWithoutGuests {
 public:
  std::shared_ptr<void> publish(const dapr::Publication& /*what*/, dapr::Terms /*with*/, OnDone /*done*/) override {
    return nullptr;
  }
  std::shared_ptr<void> invoke_binding(const dapr::BindingRequest& /*what*/, dapr::Terms /*with*/,
                                       OnDone /*done*/) override {
    return nullptr;
  }
  std::shared_ptr<void> save_state(const dapr::StateEntry& what, dapr::Terms /*with*/, OnDone done) override {
    waiting = [this, what, done] {
      if (broken) {
        return done(fail(Reason::UpstreamFailed, "the store is away"));
      }
      EXPECT_EQ(what.metadata, (dapr::Metadata{{"ttlInSeconds", "86400"}}));
      values[what.store + " " + what.key] = *what.payload.bytes;
      done({});
    };
    return std::make_shared<int>(0);
  }
  std::shared_ptr<void> get_state(const dapr::StateKey& key, dapr::Terms /*with*/, OnValue done) override {
    waiting = [this, key, done] {
      if (broken) {
        return done(fail(Reason::UpstreamFailed, "the store is away"));
      }
      done(values[key.store + " " + key.key]);
    };
    return std::make_shared<int>(0);
  }

  void answer() { std::exchange(waiting, nullptr)(); }
  void answer_all() {
    while (waiting) {
      answer();
    }
  }

  std::map<std::string, std::string> values;
  std::function<void()> waiting;
  bool broken = false;
};

/// Ends each call at once as it was told.
class FakeInvoker final : public invoke::Invoker {
 public:
  void start(const std::shared_ptr<const invoke::Function>& /*function*/, Call /*call*/, OnOutcome done) override {
    Outcome outcome = refusal(ends);
    outcome.message = "why";
    done(std::move(outcome));
  }
  [[nodiscard]] std::size_t live() const override { return 0; }
  void cancel_all(Reason /*why*/) override {}

  Reason ends = Reason::Trap;
};

class RetryCountsTest : public testing::Test {
 protected:
  void SetUp() override {
    trigger.path = "/dapr/topic/p/t/f";
    trigger.function = {nullptr, Bytes{1024}, labels.add_function("f")};
    trigger.label = labels.add_route("shop", "topic p/t");
    labels.set_gives_up(trigger.label);
    trigger.retries = {"store", 2};
    make(&store);
  }
  void make(dapr::BuildingBlocks* blocks) {
    deliveries.reset();
    router.reset();
    metrics.emplace(labels);
    router.emplace("shop", std::make_shared<const RouteTable>(std::vector<Route>{}),
                   LoopServices{invoker, invocation, *metrics, ids, calls, blocks});
    deliveries.emplace(*router, ids);
  }

  /// What becomes of an event: "RETRY: why". "waits" until the store has answered.
  std::string bring(const std::string& id, bool answers = true) {
    Event event;
    if (!id.empty()) {
      EXPECT_TRUE(event.tell("CE_ID", id));
    }
    Call call;
    call.method = "POST";
    call.path = trigger.path;
    told = "waits";
    deliveries->bring(trigger, std::move(event), std::move(call), [this](const Outcome& outcome, Verdict verdict) {
      told = fmt::format("{}: {}", name(verdict), outcome.message);
    });
    if (answers) {
      store.answer_all();
    }
    return told;
  }

  /// What the page of metrics says.
  [[nodiscard]] std::uint64_t given_up() const {
    const std::array<const observe::LoopMetrics*, 1> loops = {&*metrics};
    const std::string page = observe::render_metrics(labels, loops, "1", observe::TextFormat::Prometheus);
    constexpr std::string_view kSeries = R"(trilby_events_given_up_total{app="shop",trigger="topic p/t"} )";
    const std::size_t at = page.find(kSeries);
    EXPECT_NE(at, std::string::npos) << page;
    return at == std::string::npos ? 0 : std::stoull(page.substr(at + kSeries.size()));
  }

  observe::Labels labels;
  std::optional<observe::LoopMetrics> metrics;
  observe::IdSource ids;
  observe::CallRing calls{16};
  FakeInvoker invoker;
  dapr::embedded::LocalInvocation invocation;
  FakeStore store;
  EventTrigger trigger;
  std::optional<Router> router;
  std::optional<Deliveries> deliveries;
  std::string told;
};

TEST_F(RetryCountsTest, GiveAnEventUpThatAlwaysFails) {
  EXPECT_EQ(bring("7"), "RETRY: why");
  EXPECT_EQ(bring("8"), "RETRY: why") << "each has its own count";
  EXPECT_EQ(bring("7"), "RETRY: why");
  EXPECT_EQ(bring("7"), "DROP: it was brought again 2 times: why");
  EXPECT_EQ(bring("7"), "DROP: it was brought again 2 times: why");
  EXPECT_EQ(bring("8"), "RETRY: why");
  EXPECT_EQ(given_up(), 2U) << "each time that it comes";
  EXPECT_EQ(store.values.at("store trilby-retries~.2Fdapr.2Ftopic.2Fp.2Ft.2Ff~7"), "2");
}

TEST_F(RetryCountsTest, OutliveTheProcess) {
  EXPECT_EQ(bring("7"), "RETRY: why");
  make(&store);
  EXPECT_EQ(bring("7"), "RETRY: why");
  make(&store);
  EXPECT_EQ(bring("7"), "DROP: it was brought again 2 times: why");
}

TEST_F(RetryCountsTest, AreWrittenBeforeTheEventIsGivenBack) {
  EXPECT_EQ(bring("7", false), "waits");
  store.answer();
  EXPECT_EQ(told, "waits");
  store.answer();
  EXPECT_EQ(told, "RETRY: why");
}

TEST_F(RetryCountsTest, AreOfEachTrigger) {
  EXPECT_EQ(bring("7"), "RETRY: why");
  EXPECT_EQ(bring("7"), "RETRY: why");
  trigger.path = "/dapr/topic/p/t/g";
  EXPECT_EQ(bring("7"), "RETRY: why");
}

TEST_F(RetryCountsTest, TellHostileIdsApart) {
  for (const char* id : {"a||b", "a~b", "a b", "a.7Eb", "\xff", "a/b"}) {
    EXPECT_EQ(bring(id), "RETRY: why");
  }
  EXPECT_EQ(store.values.size(), 6U);
  for (const auto& [key, value] : store.values) {
    EXPECT_EQ(value, "1");
    EXPECT_EQ(key.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~ "),
              std::string::npos)
        << key;
  }
}

TEST_F(RetryCountsTest, DoNotCountWhatIsNotTheEventsFault) {
  for (const Reason reason : {Reason::Overloaded, Reason::Draining, Reason::Cancelled, Reason::UpstreamFailed}) {
    invoker.ends = reason;
    EXPECT_EQ(bring("7", false), "RETRY: why") << name(reason);
  }
  invoker.ends = Reason::BadInput;
  EXPECT_EQ(bring("7", false), "DROP: why") << "it is dropped anyway";
  invoker.ends = Reason::Trap;
  EXPECT_EQ(bring("", false), "RETRY: why") << "nobody could tell it from others";
  EXPECT_EQ(bring(std::string(257, 'x'), false), "RETRY: why");
  trigger.retries.store.clear();
  EXPECT_EQ(bring("7", false), "RETRY: why") << "nothing is counted";
  EXPECT_TRUE(store.values.empty());
  EXPECT_EQ(given_up(), 0U);
}

TEST_F(RetryCountsTest, LoseNoEventWhenTheStoreFails) {
  store.broken = true;
  EXPECT_EQ(bring("7"), "RETRY: how often is not known (the store is away): why");
  store.broken = false;
  store.values["store trilby-retries~.2Fdapr.2Ftopic.2Fp.2Ft.2Ff~7"] = "\"nonsense\"";
  EXPECT_EQ(bring("7"), "RETRY: how often is not known (what is saved as the count is no number): why");
  make(nullptr);
  EXPECT_EQ(bring("7"), "RETRY: how often is not known (the app has no sidecar): why");
}

TEST_F(RetryCountsTest, MayEndWhileTheyWait) {
  EXPECT_EQ(bring("7", false), "waits");
  deliveries.reset();
  EXPECT_EQ(told, "waits");
  store.waiting = nullptr;
}

}  // namespace
}  // namespace trilby::triggers
