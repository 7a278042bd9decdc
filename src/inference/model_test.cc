#include "inference/model.h"

#include <array>
#include <atomic>
#include <future>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "inference/model_host.h"

namespace trilby::inference {
namespace {

using Outputs = Result<std::vector<Tensor>>;

Tensor byte_tensor(std::uint8_t value) {
  return {.type = ElementType::U8, .dims = {1}, .data = {std::byte{value}}};
}

/// Gives back its input; while `gate` is closed every run waits for it.
class EchoRunner final : public Runner {
 public:
  struct Gate {
    std::atomic<bool> open{true};
    std::atomic<int> entered{0};

    void wait_entered(int count) {
      for (int seen = entered; seen < count; seen = entered) {
        entered.wait(seen);
      }
    }
    void set_open(bool value) {
      open = value;
      open.notify_all();
    }
  };

  explicit EchoRunner(Gate& gate) : gate_(gate) {}

  Outputs run(const std::vector<Tensor>& inputs) override {
    ++gate_.entered;
    gate_.entered.notify_all();
    gate_.open.wait(false);
    if (inputs[0].data[0] == std::byte{0xFF}) {
      return fail(Reason::Internal, "the backend failed");
    }
    return inputs;
  }

 private:
  Gate& gate_;
};

class EchoBackend final : public Backend {
 public:
  Result<LoadedModel> load(const ModelSpec& spec) override {
    ++loads;
    LoadedModel loaded;
    loaded.inputs.push_back({.name = "in", .type = ElementType::U8, .dims = {1}});
    loaded.outputs = loaded.inputs;
    for (unsigned i = 0; i < spec.streams; ++i) {
      loaded.runners.push_back(std::make_unique<EchoRunner>(gate));
    }
    return loaded;
  }

  EchoRunner::Gate gate;
  int loads = 0;
};

/// A `done` whose result can be waited for.
class Waiter {
 public:
  Model::Done done() {
    return [this](Outputs outputs) {
      ++calls_;
      promise_.set_value(std::move(outputs));
    };
  }
  Outputs get() { return promise_.get_future().get(); }
  [[nodiscard]] int calls() const { return calls_; }

 private:
  std::atomic<int> calls_{0};
  std::promise<Outputs> promise_;
};

class ModelTest : public testing::Test {
 protected:
  Model& load(const ModelSpec& spec) {
    host_ = ModelHost::load({&spec, 1}, backend_).value();
    return *host_->find(spec.name);
  }

  Result<void> infer(Model& model, std::uint8_t value, Waiter& waiter, std::stop_token cancelled = {}) {
    return model.infer({byte_tensor(value)}, std::move(cancelled), waiter.done());
  }

  EchoBackend backend_;
  std::unique_ptr<ModelHost> host_;
};

TEST_F(ModelTest, AnswersWithTheOutputs) {
  Waiter waiter;
  ASSERT_TRUE(infer(load({.name = "echo", .path = {}}), 7, waiter));
  const Outputs outputs = waiter.get();
  ASSERT_TRUE(outputs);
  EXPECT_EQ(outputs->at(0).data, byte_tensor(7).data);
}

TEST_F(ModelTest, PassesOnTheFailureOfAnInferenceAndGoesOn) {
  Model& model = load({.name = "echo", .path = {}});
  Waiter failing;
  ASSERT_TRUE(infer(model, 0xFF, failing));
  EXPECT_EQ(failing.get().error().reason, Reason::Internal);
  Waiter next;
  ASSERT_TRUE(infer(model, 1, next));
  EXPECT_TRUE(next.get());
}

TEST_F(ModelTest, RefusesAtOnceWhenStreamsAndQueueAreFull) {
  Model& model = load({.name = "echo", .path = {}, .queue = 1});
  backend_.gate.set_open(false);
  Waiter running;
  Waiter waiting;
  Waiter refused;
  ASSERT_TRUE(infer(model, 1, running));
  ASSERT_TRUE(infer(model, 2, waiting));
  const Result<void> busy = infer(model, 3, refused);
  ASSERT_FALSE(busy);
  EXPECT_EQ(busy.error().reason, Reason::Overloaded);
  backend_.gate.set_open(true);
  EXPECT_TRUE(running.get());
  EXPECT_TRUE(waiting.get());
  host_.reset();
  EXPECT_EQ(refused.calls(), 0);
}

TEST_F(ModelTest, APlaceIsFreeByTheTimeDoneIsCalled) {
  Model& model = load({.name = "echo", .path = {}, .queue = 0});
  Waiter second;
  std::promise<Result<void>> accepted;
  ASSERT_TRUE(model.infer({byte_tensor(1)}, {}, [&](const Outputs&) { accepted.set_value(infer(model, 2, second)); }));
  EXPECT_TRUE(accepted.get_future().get());
  EXPECT_TRUE(second.get());
}

TEST_F(ModelTest, StreamsRunAtTheSameTime) {
  Model& model = load({.name = "echo", .path = {}, .streams = 2, .queue = 0});
  backend_.gate.set_open(false);
  Waiter first;
  Waiter second;
  ASSERT_TRUE(infer(model, 1, first));
  ASSERT_TRUE(infer(model, 2, second));
  backend_.gate.wait_entered(2);  // would hang if one waited for the other
  backend_.gate.set_open(true);
  EXPECT_TRUE(first.get());
  EXPECT_TRUE(second.get());
}

TEST_F(ModelTest, ACancelledInferenceDoesNotRun) {
  Model& model = load({.name = "echo", .path = {}});
  backend_.gate.set_open(false);
  Waiter running;
  Waiter cancelled;
  std::stop_source caller;
  ASSERT_TRUE(infer(model, 1, running));
  backend_.gate.wait_entered(1);
  ASSERT_TRUE(infer(model, 2, cancelled, caller.get_token()));
  caller.request_stop();
  backend_.gate.set_open(true);
  EXPECT_TRUE(running.get());
  EXPECT_EQ(cancelled.get().error().reason, Reason::Cancelled);
  EXPECT_EQ(backend_.gate.entered, 1);
}

TEST_F(ModelTest, CancellingWhatRunsIsHarmless) {
  Model& model = load({.name = "echo", .path = {}});
  backend_.gate.set_open(false);
  Waiter running;
  std::stop_source caller;
  ASSERT_TRUE(infer(model, 1, running, caller.get_token()));
  backend_.gate.wait_entered(1);
  caller.request_stop();
  backend_.gate.set_open(true);
  EXPECT_TRUE(running.get());
}

TEST_F(ModelTest, DestructionEndsWhatRunsAndAnswersWhatWaits) {
  Model& model = load({.name = "echo", .path = {}});
  backend_.gate.set_open(false);
  Waiter running;
  Waiter waiting;
  ASSERT_TRUE(infer(model, 1, running));
  backend_.gate.wait_entered(1);
  ASSERT_TRUE(infer(model, 2, waiting));
  std::thread destruction([this] { host_.reset(); });
  EXPECT_EQ(waiting.get().error().reason, Reason::Draining);
  EXPECT_EQ(running.calls(), 0);
  backend_.gate.set_open(true);
  destruction.join();
  EXPECT_EQ(running.calls(), 1);
  EXPECT_TRUE(running.get());
}

TEST_F(ModelTest, ManyThreadsGetTheirOwnAnswers) {
  constexpr std::size_t kThreads = 4;
  constexpr int kEach = 200;
  Model& model = load({.name = "echo", .path = {}, .streams = 2, .queue = kThreads});
  std::array<int, kThreads> right{};
  const auto call = [&](std::size_t thread) {
    for (int i = 0; i < kEach; ++i) {
      const auto value = static_cast<std::uint8_t>((static_cast<int>(thread) * 50 + i) % 250);
      Waiter waiter;
      if (infer(model, value, waiter)) {
        const Outputs outputs = waiter.get();
        right.at(thread) += static_cast<int>(outputs && outputs->at(0).data == byte_tensor(value).data);
      }
    }
  };
  std::array<std::thread, kThreads> callers;
  for (std::size_t thread = 0; thread < kThreads; ++thread) {
    callers.at(thread) = std::thread(call, thread);
  }
  for (std::thread& caller : callers) {
    caller.join();
  }
  EXPECT_EQ(right, (std::array<int, kThreads>{kEach, kEach, kEach, kEach}));
}

TEST_F(ModelTest, RefusesInputsThatAreNotTheModels) {
  Model& model = load({.name = "echo", .path = {}});
  Waiter never;
  const auto reason = [&](std::vector<Tensor> inputs) {
    const Result<void> accepted = model.infer(std::move(inputs), {}, never.done());
    return accepted ? Reason::Ok : accepted.error().reason;
  };
  EXPECT_EQ(reason({}), Reason::BadInput);
  EXPECT_EQ(reason({byte_tensor(1), byte_tensor(2)}), Reason::BadInput);
  EXPECT_EQ(reason({{.type = ElementType::F32, .dims = {1}, .data = std::vector<std::byte>(4)}}), Reason::BadInput);
  EXPECT_EQ(reason({{.type = ElementType::U8, .dims = {1}, .data = {}}}), Reason::BadInput);
  EXPECT_EQ(reason({{.type = ElementType::U8, .dims = {2}, .data = std::vector<std::byte>(2)}}), Reason::BadInput);
  EXPECT_EQ(never.calls(), 0);
}

TEST_F(ModelTest, ChecksAnInputBeforeItsBytesAreCopied) {
  Model& model = load({.name = "echo", .path = {}});
  const std::vector<std::uint32_t> dims = {1};
  EXPECT_TRUE(model.check_input(0, ElementType::U8, dims, 1));
  EXPECT_FALSE(model.check_input(1, ElementType::U8, dims, 1));
  EXPECT_FALSE(model.check_input(0xFFFFFFFF, ElementType::U8, dims, 1));
  const std::vector<std::uint32_t> large = {0xFFFFFFFF};
  EXPECT_FALSE(model.check_input(0, ElementType::U8, large, 0xFFFFFFFF));
}

TEST(ModelHost, WithoutModelsLoadsNothing) {
  const auto host = ModelHost::load({});
  ASSERT_TRUE(host);
  EXPECT_EQ((*host)->find("food"), nullptr);
}

TEST(ModelHost, LoadsEachModelOnceAndFindsItByName) {
  EchoBackend backend;
  const std::vector<ModelSpec> specs = {{.name = "a", .path = {}}, {.name = "b", .path = {}}};
  const auto host = ModelHost::load(specs, backend).value();
  EXPECT_EQ(backend.loads, 2);
  EXPECT_EQ(host->find("a"), host->find("a"));
  EXPECT_EQ(host->find("b")->name(), "b");
  EXPECT_EQ(host->find("c"), nullptr);
  EXPECT_EQ(host->find(""), nullptr);
}

TEST(ModelHost, RefusesTwoModelsOfOneName) {
  EchoBackend backend;
  const std::vector<ModelSpec> specs = {{.name = "a", .path = {}}, {.name = "a", .path = {}}};
  const auto host = ModelHost::load(specs, backend);
  ASSERT_FALSE(host);
  EXPECT_EQ(host.error().message, "model a is named twice");
}

TEST(ModelHost, RefusesNumbersOutOfRangeBeforeLoading) {
  EchoBackend backend;
  const std::vector<ModelSpec> wrong = {
      {.name = "m", .path = {}, .threads = 0},
      {.name = "m", .path = {}, .streams = 0},
      {.name = "m", .path = {}, .threads = kMaxThreads + 1},
      {.name = "m", .path = {}, .threads = 2, .streams = kMaxThreads},
      {.name = "m", .path = {}, .threads = 0x10000, .streams = 0x10000},
      {.name = "m", .path = {}, .queue = kMaxQueue + 1},
      {.name = "m", .path = {}, .max_tensor_bytes = kMaxTensorBytes + 1},
  };
  for (const ModelSpec& spec : wrong) {
    const auto host = ModelHost::load({&spec, 1}, backend);
    ASSERT_FALSE(host);
    EXPECT_EQ(host.error().reason, Reason::Manifest);
  }
  EXPECT_EQ(backend.loads, 0);
}

}  // namespace
}  // namespace trilby::inference
