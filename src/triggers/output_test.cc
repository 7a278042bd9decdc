#include "triggers/output.h"

#include <optional>

#include <gtest/gtest.h>

#include "triggers/test_fakes.h"

namespace trilby::triggers {
namespace {

/// Writes down what it is asked, and answers when the test says.
class FakeBlocks final : public BlocksWithoutGuests {
 public:
  std::shared_ptr<void> publish(const dapr::Publication& what, dapr::Terms with, OnDone done) override {
    std::string more = what.raw ? " raw" : "";
    for (const auto& [name, value] : what.attributes) {
      more += fmt::format(" {}={}", name, value);
    }
    for (const auto& [name, value] : what.metadata) {
      more += fmt::format(" [{}={}]", name, value);
    }
    return take(fmt::format("publish {} {}{}: {} ({})", what.pubsub, what.topic, more, *what.payload.bytes,
                            what.payload.content_type),
                std::move(with), std::move(done));
  }
  std::shared_ptr<void> save_state(const dapr::StateEntry& what, dapr::Terms with, OnDone done) override {
    return take(fmt::format("save {} {}: {}", what.store, what.key, *what.payload.bytes), std::move(with),
                std::move(done));
  }
  std::shared_ptr<void> get_state(const dapr::StateKey& /*key*/, dapr::Terms /*with*/, OnValue /*done*/) override {
    return nullptr;
  }
  std::shared_ptr<void> invoke_binding(const dapr::BindingRequest& what, dapr::Terms with, OnDone done) override {
    return take(fmt::format("{} {}: {}", what.binding, what.operation, *what.payload.bytes), std::move(with),
                std::move(done));
  }

  void answer(Result<void> result = {}) {
    const OnDone done = std::exchange(waiting, nullptr);
    done(std::move(result));
  }

  std::vector<std::string> asked;
  std::vector<dapr::Terms> terms;
  OnDone waiting;
  std::weak_ptr<void> handle;

 private:
  std::shared_ptr<void> take(std::string what, dapr::Terms given, OnDone done) {
    asked.push_back(std::move(what));
    terms.push_back(std::move(given));
    waiting = std::move(done);
    const auto held = std::make_shared<int>(0);
    handle = held;
    return held;
  }
};

class FakeInvocation final : public dapr::ServiceInvocation {
 public:
  void invoke(std::string_view app_id, Call call, OnOutcome done) override {
    app = app_id;
    calls.push_back(std::move(call));
    waiting = std::move(done);
  }
  void answer(Outcome outcome) { std::exchange(waiting, nullptr)(std::move(outcome)); }

  std::string app;
  std::vector<Call> calls;
  OnOutcome waiting;
};

TextTemplate text(std::string_view written) {
  return TextTemplate::parse(written).value();
}

class OutputTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* kind : {"publish", "state", "binding", "invoke"}) {
      labels.add_output("shop", kind, "x");
    }
    make(&blocks);
    call.id = "request-0123456789";
    call.variables.add("CE_ID", "7");
    call.trace.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    call.cancellation = std::make_shared<Cancellation>();
    call.hops = 2;
  }
  void make(dapr::BuildingBlocks* with) {
    sender.reset();
    metrics.emplace(labels);
    sender.emplace("shop", OutputServices{invocation, with, *metrics, &budget});
  }
  static Output publish() { return {PublishOutput{"broker", "priced", false, {}, {}}, "publish broker/priced", 0}; }
  static Output state(std::string_view key = "order-{CE_ID}") {
    return {StateOutput{"orders", text(key), {}}, "state orders", 1};
  }
  static Output binding() { return {BindingOutput{"mail", "create", {}}, "binding mail", 2}; }
  static Output invoke() { return {InvokeOutput{"billing", "/bill"}, "invoke billing/bill", 3}; }

  static Outcome returned(std::string body, int status = 200) {
    Outcome outcome;
    outcome.reason = Reason::Ok;
    outcome.status = status;
    outcome.fields.add("content-type", "application/json");
    outcome.body = make_body(std::move(body));
    outcome.function = "price";
    outcome.record.run = std::chrono::milliseconds(3);
    return outcome;
  }
  void send(OutputList list, Outcome outcome) {
    outputs = std::move(list);
    auto sending = sender->prepare(outputs, call);
    ASSERT_TRUE(sending) << sending.error().message;
    sender->send(*sending, std::move(outcome), [this](Outcome ended) { end = std::move(ended); });
  }
  std::string body() {
    std::string bytes;
    (void)read_all(std::move(end->body), Bytes{1U << 20U}, [&](Result<std::string> all) { bytes = all.value(); });
    return bytes;
  }
  std::string counts() {
    const observe::LoopMetrics* const all[] = {&*metrics};
    std::string page = observe::render_metrics(labels, all, "1", observe::TextFormat::Prometheus);
    std::string found;
    for (std::size_t at = page.find("\ntrilby_outputs_total{"); at != std::string::npos;
         at = page.find("\ntrilby_outputs_total{", at + 1)) {
      const std::string line = page.substr(at + 1, page.find('\n', at + 1) - at - 1);
      if (!line.ends_with(" 0")) {
        found += line + "\n";
      }
    }
    return found;
  }

  observe::Labels labels;
  std::optional<observe::LoopMetrics> metrics;
  BodyBudget budget{Bytes{1U << 20U}};
  FakeBlocks blocks;
  FakeInvocation invocation;
  std::optional<OutputSender> sender;
  OutputList outputs;
  Call call;
  std::optional<Outcome> end;
};

TEST_F(OutputTest, SendsOneAfterTheOtherAndThenAnswers) {
  send({publish(), state(), binding()}, returned("{\"price\":5}"));
  EXPECT_EQ(blocks.asked.size(), 1U) << "each waits for the one before";
  blocks.answer();
  blocks.answer();
  EXPECT_FALSE(end) << "the event is done when all of them are";
  blocks.answer();
  EXPECT_EQ(blocks.asked,
            (std::vector<std::string>{"publish broker priced: {\"price\":5} (application/json)",
                                      "save orders order-7: {\"price\":5}", "mail create: {\"price\":5}"}));
  ASSERT_TRUE(end);
  EXPECT_EQ(end->reason, Reason::Ok);
  EXPECT_EQ(end->function, "price");
  EXPECT_EQ(end->record.run, std::chrono::milliseconds(3));
  EXPECT_EQ(body(), "{\"price\":5}") << "whoever asked gets it too";
}

TEST_F(OutputTest, PassesTheTraceOn) {
  call.deadline = Clock::now() + std::chrono::hours(1);
  send({publish(), binding()}, returned("x"));
  blocks.answer();
  ASSERT_EQ(blocks.terms.size(), 2U);
  EXPECT_EQ(blocks.terms[0].trace.traceparent, call.trace.traceparent);
  EXPECT_EQ(blocks.terms[1].trace.traceparent, call.trace.traceparent);
  EXPECT_EQ(blocks.terms[0].deadline, call.deadline);
}

TEST_F(OutputTest, MakesAttributesAndMetadataOfTheEvent) {
  Output output = publish();
  auto& what = std::get<PublishOutput>(output.what);
  what.raw = true;
  what.attributes.emplace_back("id", text("{CE_ID}-priced"));
  what.metadata.emplace_back("partitionKey", text("{REQUEST_ID}"));
  send({output}, returned("x"));
  EXPECT_EQ(blocks.asked.at(0),
            "publish broker priced raw id=7-priced [partitionKey=request-0123456789]: x (application/json)");
  blocks.answer();
}

TEST_F(OutputTest, StopsAtTheFirstThatFails) {
  send({publish(), state(), binding()}, returned("x"));
  blocks.answer();
  blocks.answer(fail(Reason::UpstreamFailed, "the sidecar refuses: 500"));
  EXPECT_EQ(blocks.asked.size(), 2U);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->reason, Reason::UpstreamFailed);
  EXPECT_EQ(end->status, 502);
  EXPECT_EQ(end->message, "output 2 of 3, state orders: the sidecar refuses: 500");
  EXPECT_EQ(end->detail, "output 2 of 3 failed") << "a caller is told no names";
  EXPECT_EQ(end->function, "price");
  EXPECT_EQ(end->record.run, std::chrono::milliseconds(3));
  EXPECT_EQ(end->body, nullptr) << "what was not sent on is not answered either";
  EXPECT_EQ(counts(),
            "trilby_outputs_total{app=\"shop\",kind=\"publish\",to=\"x\",reason=\"ok\"} 1\n"
            "trilby_outputs_total{app=\"shop\",kind=\"state\",to=\"x\",reason=\"upstream-failed\"} 1\n");
}

TEST_F(OutputTest, SendsNothingOfCallsThatDidNotEndWell) {
  send({publish()}, refusal(Reason::Trap));
  EXPECT_EQ(end->reason, Reason::Trap);
  send({publish()}, returned("no", 404));
  EXPECT_EQ(end->status, 404);
  EXPECT_EQ(body(), "no");
  EXPECT_TRUE(blocks.asked.empty());
}

TEST_F(OutputTest, SendsNothingOfAFunctionThatReturnedNothing) {
  send({publish(), state()}, returned(""));
  EXPECT_TRUE(blocks.asked.empty());
  EXPECT_EQ(end->reason, Reason::Ok);
  EXPECT_EQ(body(), "");
}

TEST_F(OutputTest, RefusesEventsOfWhichNoKeyCanBeMade) {
  const auto refused = [&](const OutputList& list) {
    const auto sending = sender->prepare(list, call);
    return sending ? "nothing" : fmt::format("{}: {}", name(sending.error().reason), sending.error().message);
  };
  EXPECT_EQ(refused({publish(), state("{CE_SUBJECT}")}),
            "bad-request: output 2 of 2: CE_SUBJECT is needed, and the event has none");
  call.variables.set("CE_ID", "7||admin");
  EXPECT_EQ(refused({state()}),
            "bad-request: output 1 of 1: CE_ID has something else than letters, digits and "
            "-._~:@+=,");
}

TEST_F(OutputTest, PassesOnToAnotherApp) {
  send({invoke(), publish()}, returned("{}"));
  ASSERT_EQ(invocation.calls.size(), 1U);
  const Call& passed = invocation.calls[0];
  EXPECT_EQ(invocation.app, "billing");
  EXPECT_EQ(passed.method, "POST");
  EXPECT_EQ(passed.path, "/bill");
  EXPECT_EQ(passed.caller, "shop");
  EXPECT_EQ(passed.id, "request-0123456789");
  EXPECT_EQ(passed.hops, 2U) << "whoever passes it on counts it";
  EXPECT_EQ(*passed.fields.find("content-type"), "application/json");
  EXPECT_EQ(passed.body->length(), 2U);
  invocation.answer(returned("thanks", 201));
  EXPECT_EQ(blocks.asked.size(), 1U);
  blocks.answer();
  EXPECT_EQ(end->reason, Reason::Ok);
  EXPECT_EQ(body(), "{}") << "what the other app said is not what the function returned";
}

TEST_F(OutputTest, FailsWhenTheOtherAppDoes) {
  send({invoke()}, returned("x"));
  invocation.answer(returned("no", 404));
  EXPECT_EQ(end->reason, Reason::UpstreamFailed);
  EXPECT_EQ(end->message, "output 1 of 1, invoke billing/bill: it answered 404 (ok)");
  send({invoke()}, returned("x"));
  invocation.answer(refusal(Reason::Trap));
  EXPECT_EQ(end->reason, Reason::UpstreamFailed);
  EXPECT_EQ(end->message, "output 1 of 1, invoke billing/bill: it answered 500 (trap)");
}

TEST_F(OutputTest, GivesUpWhenNobodyWaitsAnyMore) {
  send({publish()}, returned("x"));
  EXPECT_FALSE(blocks.handle.expired());
  call.cancellation->cancel(Reason::Cancelled);
  EXPECT_TRUE(blocks.handle.expired());
  EXPECT_EQ(end->reason, Reason::Cancelled);
  EXPECT_EQ(end->function, "price");
  end.reset();
  send({publish()}, returned("x"));
  EXPECT_EQ(end->reason, Reason::Cancelled) << "it was cancelled before";
  EXPECT_EQ(blocks.asked.size(), 1U);
}

TEST_F(OutputTest, TellsTheAppThatWasCalledThatNobodyWaits) {
  send({invoke()}, returned("x"));
  call.cancellation->cancel(Reason::Cancelled);
  EXPECT_TRUE(invocation.calls[0].cancellation->cancelled());
  EXPECT_FALSE(end) << "its call ends first";
  invocation.answer(refusal(Reason::Cancelled));
  EXPECT_EQ(end->reason, Reason::Cancelled);
}

/// As one may that runs on another loop.
TEST_F(OutputTest, SendsNothingMoreWhereTheAppHadEndedWellBeforeItHeardOfThat) {
  send({invoke(), publish()}, returned("x"));
  call.cancellation->cancel(Reason::Cancelled);
  Outcome ended;
  ended.reason = Reason::Ok;
  ended.status = 200;
  invocation.answer(std::move(ended));
  EXPECT_EQ(end->reason, Reason::Cancelled);
  EXPECT_TRUE(blocks.asked.empty());
}

TEST_F(OutputTest, EndsAllWhenTheLoopEnds) {
  send({publish()}, returned("x"));
  sender->cancel_all(Reason::Draining);
  EXPECT_EQ(end->reason, Reason::Draining);
  EXPECT_TRUE(blocks.handle.expired());
}

TEST_F(OutputTest, NeedsASidecar) {
  make(nullptr);
  send({publish()}, returned("x"));
  EXPECT_EQ(end->reason, Reason::UpstreamFailed);
  EXPECT_EQ(end->message, "output 1 of 1, publish broker/priced: the app has no sidecar");
}

/// A body that comes when the test says.
class LateBody final : public BodySource {
 public:
  explicit LateBody(OnChunk& reader) : reader_(reader) {}
  void read(OnChunk on_chunk) override { reader_ = std::move(on_chunk); }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return std::nullopt; }

 private:
  OnChunk& reader_;
};

TEST_F(OutputTest, WaitsForWhatComesLateWithinItsBudget) {
  BodySource::OnChunk reader;
  const auto late = [&] {
    Outcome outcome = returned("");
    outcome.body = std::make_unique<LateBody>(reader);
    return outcome;
  };
  send({publish()}, late());
  reader(BodySource::Chunk{"la", false});
  reader(BodySource::Chunk{"te", true});
  EXPECT_EQ(blocks.asked.at(0), "publish broker priced: late (application/json)");
  blocks.answer();
  EXPECT_EQ(body(), "late");
  send({publish()}, late());
  reader(BodySource::Chunk{std::string(2U << 20U, 'x'), true});
  EXPECT_EQ(end->reason, Reason::Overloaded);
  send({publish()}, late());
  reader(fail(Reason::LimitOutput, "too much"));
  EXPECT_EQ(end->reason, Reason::LimitOutput);
  EXPECT_EQ(blocks.asked.size(), 1U);
}

}  // namespace
}  // namespace trilby::triggers
