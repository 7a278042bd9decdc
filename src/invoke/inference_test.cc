// wasi-nn from the guest to the model and back, with a model of the test's making.
#include <atomic>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "inference/model_host.h"
#include "invoke/test_calls.h"

namespace trilby::invoke {
namespace {

using inference::Tensor;

/// Gives its input back; a run waits while the gate is closed.
class GatedBackend final : public inference::Backend {
 public:
  Result<inference::LoadedModel> load(const inference::ModelSpec& /*spec*/) override {
    inference::LoadedModel model;
    model.inputs.push_back({.name = "in", .type = inference::ElementType::F32, .dims = {4}});
    model.outputs = model.inputs;
    model.runners.push_back(std::make_unique<Runner>(*this));
    return model;
  }

  void close() { open_ = false; }
  void open() {
    open_ = true;
    open_.notify_all();
  }
  [[nodiscard]] int runs() const { return runs_; }

 private:
  class Runner final : public inference::Runner {
   public:
    explicit Runner(GatedBackend& backend) : backend_(backend) {}
    Result<std::vector<Tensor>> run(const std::vector<Tensor>& inputs) override {
      ++backend_.runs_;
      backend_.runs_.notify_all();
      backend_.open_.wait(false);
      return inputs;
    }

   private:
    GatedBackend& backend_;
  };

  std::atomic<bool> open_{true};
  std::atomic<int> runs_{0};
};

class Inference : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::vector<inference::ModelSpec> specs = {{.name = "echo", .path = "echo.xml"},
                                                     {.name = "secret", .path = "secret.xml"}};
    models_ = inference::ModelHost::load(specs, backend_).value();
    function_ = function_with({});
  }
  // A run that waits holds the model's thread, for which its destructor waits.
  void TearDown() override { backend_.open(); }

  std::shared_ptr<const Function> function_with(const policy::Limits& limits) {
    const wasm::TestDirectory directory;
    FunctionSpec spec = spec_of("nn", directory.guest("nn"), limits);
    spec.policy.grants.models.insert("echo");
    return prepare(std::move(spec), test_engine(), nullptr, models_.get()).value();
  }
  Outcome call(char what) { return run_once(function_, test_call(std::string(1, what))); }

  GatedBackend backend_;
  std::unique_ptr<inference::ModelHost> models_;
  std::shared_ptr<const Function> function_;
};

TEST_F(Inference, GoesToTheModelAndBack) {
  Outcome outcome = call(0);
  ASSERT_EQ(outcome.reason, Reason::Ok) << outcome.message;
  const float expected[] = {1, 2, 3, 4};
  EXPECT_EQ(read_body(outcome), std::string(reinterpret_cast<const char*>(expected), sizeof expected));
  EXPECT_EQ(outcome.record.inferences, 1U);
}

TEST_F(Inference, OfAModelThatIsNotGrantedIsDenied) {
  const Outcome outcome = call(1);
  EXPECT_EQ(outcome.reason, Reason::Denied);
  EXPECT_EQ(outcome.status, 403);
  EXPECT_EQ(outcome.record.denials.of(Grant::Model), 1U);
  EXPECT_EQ(backend_.runs(), 0);
}

TEST_F(Inference, HandsOutFewHandles) {
  EXPECT_EQ(call(2).reason, Reason::LimitCalls);
}

TEST_F(Inference, HandsOutAsManyHandlesAsTheLimitSays) {
  policy::Limits limits;
  limits.handles = 2;  // a graph and a context
  EXPECT_EQ(run_once(function_with(limits), test_call(std::string(1, 0))).reason, Reason::Ok);
  limits.handles = 1;
  const Outcome outcome = run_once(function_with(limits), test_call(std::string(1, 0)));
  EXPECT_EQ(outcome.reason, Reason::LimitCalls);
  EXPECT_EQ(outcome.detail, "it may hold 1 handles");
}

TEST_F(Inference, ComesNoFasterThanTheLimitSays) {
  policy::Limits limits;
  limits.host_calls_per_second = 3;
  EXPECT_EQ(run_once(function_with(limits), test_call(std::string(1, 4))).reason, Reason::LimitCalls);
  EXPECT_GE(backend_.runs(), 3);
  EXPECT_EQ(call(0).reason, Reason::Ok) << "each call has a rate of its own";
}

TEST_F(Inference, DoesNotComeAtAllWhereNoHostCallsAreAllowed) {
  policy::Limits limits;
  limits.host_calls_per_second = 0;
  const Outcome outcome = run_once(function_with(limits), test_call(std::string(1, 0)));
  EXPECT_EQ(outcome.reason, Reason::LimitCalls);
  EXPECT_EQ(outcome.detail, "it may make 0 host calls a second");
  EXPECT_EQ(backend_.runs(), 0);
}

TEST_F(Inference, ChecksWhateverAGuestOffers) {
  Outcome outcome = call(3);
  EXPECT_EQ(outcome.reason, Reason::Ok) << outcome.message;
  EXPECT_EQ(read_body(outcome), "fine");
}

TEST_F(Inference, LeavesTheLoopToOthers) {
  backend_.close();
  const auto echo = test_function("echo");
  Calls calls;
  calls.on_end = [&](const std::string& name) {
    if (name == "other") {
      backend_.open();
    }
  };
  calls.run([&] {
    calls.start("inference", function_, test_call(std::string(1, 0)));
    calls.start("other", echo, test_call("a"));
  });
  EXPECT_EQ(calls.ended.front().name, "other");
  EXPECT_EQ(calls.reason("inference"), Reason::Ok);
}

TEST_F(Inference, MayBeCancelledWhileItRuns) {
  backend_.close();
  const auto cancellation = std::make_shared<Cancellation>();
  Call leaver = test_call(std::string(1, 0));
  leaver.cancellation = cancellation;
  Calls calls;
  calls.on_end = [&](const std::string& name) {
    if (name == "leaver") {  // its result comes when it is gone, and the next call of the model is the next one's
      backend_.open();
      calls.start("next", function_, test_call(std::string(1, 0)));
    }
  };
  std::function<void()> leave_when_it_runs = [&] {
    if (backend_.runs() == 0) {
      return calls.loop.post(leave_when_it_runs);
    }
    cancellation->cancel(Reason::Cancelled);
  };
  calls.run([&] {
    calls.start("leaver", function_, std::move(leaver));
    leave_when_it_runs();
  });
  EXPECT_EQ(calls.reason("leaver"), Reason::Cancelled);
  EXPECT_EQ(calls.reason("next"), Reason::Ok);
}

TEST_F(Inference, MayOutliveTheLoopThatAskedForIt) {
  backend_.close();
  Call hurried = test_call(std::string(1, 0));
  hurried.deadline = Clock::now() + 5ms;
  EXPECT_EQ(run_once(function_, std::move(hurried)).reason, Reason::LimitWall);
  backend_.open();
}

}  // namespace
}  // namespace trilby::invoke
