// OpenVINO behind the plug-in, on models small enough to be written here: IR is text.
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "inference/model_host.h"

namespace trilby::inference {
namespace {

using Outputs = Result<std::vector<Tensor>>;

constexpr std::string_view kParameter = R"(<layer id="0" name="x" type="Parameter" version="opset1">
  <data shape="SHAPE" element_type="f32"/><output><port id="0" precision="FP32" names="x">DIMS</port></output></layer>)";
constexpr std::string_view kResult = R"(<layer id="2" name="r" type="Result" version="opset1">
  <input><port id="0" precision="FP32">DIMS</port></input></layer>)";

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

/// One operation from input "x" to output "y", both f32 of the given shape ("?" or a number, two dimensions).
std::string network(std::string_view operation, std::string_view rows, std::string_view columns) {
  const std::string layer = replaced(R"(<layer id="1" name="y" type="OPERATION" version="opset1">
      <input><port id="0" precision="FP32">DIMS</port></input>
      <output><port id="1" precision="FP32" names="y">DIMS</port></output></layer>)",
                                     "OPERATION", operation);
  const std::string edges = R"(<edges><edge from-layer="0" from-port="0" to-layer="1" to-port="0"/>
      <edge from-layer="1" from-port="1" to-layer="2" to-port="0"/></edges>)";
  const auto dim = [](std::string_view text) { return "<dim>" + std::string(text == "?" ? "-1" : text) + "</dim>"; };
  std::string xml = R"(<?xml version="1.0"?><net name="test" version="11"><layers>)";
  xml.append(kParameter).append(layer).append(kResult).append("</layers>").append(edges).append("</net>");
  return replaced(replaced(xml, "DIMS", dim(rows) + dim(columns)), "SHAPE",
                  std::string(rows) + "," + std::string(columns));
}

std::string relu(std::string_view rows = "2", std::string_view columns = "3") {
  return network("ReLU", rows, columns);
}

Tensor floats(std::vector<std::uint32_t> dims, const std::vector<float>& values) {
  Tensor tensor{.type = ElementType::F32, .dims = std::move(dims), .data = {}};
  tensor.data.resize(values.size() * sizeof(float));
  std::memcpy(tensor.data.data(), values.data(), tensor.data.size());
  return tensor;
}

std::vector<float> values(const Tensor& tensor) {
  std::vector<float> result(tensor.data.size() / sizeof(float));
  std::memcpy(result.data(), tensor.data.data(), tensor.data.size());
  return result;
}

Outputs infer(Model& model, std::vector<Tensor> inputs) {
  std::promise<Outputs> promise;
  const Result<void> accepted =
      model.infer(std::move(inputs), {}, [&](Outputs outputs) { promise.set_value(std::move(outputs)); });
  return accepted ? promise.get_future().get() : Outputs(fail(accepted.error()));
}

class OpenVinoTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "trilby-openvino-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path write(const std::string& file, std::string_view text) {
    const std::filesystem::path path = directory_ / file;
    std::ofstream(path) << text;
    return path;
  }

  Result<std::unique_ptr<ModelHost>> load(const ModelSpec& spec) { return ModelHost::load({&spec, 1}); }

  Model& load_text(std::string_view text, unsigned streams = 1) {
    auto host = load({.name = "test", .path = write("model.xml", text), .streams = streams});
    if (!host) {
      throw std::runtime_error(host.error().message);
    }
    host_ = std::move(*host);
    return *host_->find("test");
  }

  /// The message with which a model is refused.
  std::string refusal(const std::filesystem::path& path) {
    const auto host = load({.name = "test", .path = path, .max_tensor_bytes = 1048576});
    if (host) {
      return "accepted";
    }
    EXPECT_EQ(host.error().reason, Reason::Manifest);
    EXPECT_NE(host.error().message.find("model test: "), std::string::npos) << host.error().message;
    EXPECT_NE(host.error().message.find(path.string()), std::string::npos) << host.error().message;
    EXPECT_EQ(host.error().message.find('\n'), std::string::npos) << host.error().message;
    return host.error().message;
  }

  std::filesystem::path directory_;
  std::unique_ptr<ModelHost> host_;
};

TEST_F(OpenVinoTest, ComputesWhatTheModelSays) {
  const Outputs outputs = infer(load_text(relu()), {floats({2, 3}, {-1, 2, -3, 4, -5, 6})});
  ASSERT_TRUE(outputs) << outputs.error().message;
  ASSERT_EQ(outputs->size(), 1U);
  EXPECT_EQ(outputs->at(0).type, ElementType::F32);
  EXPECT_EQ(outputs->at(0).dims, (std::vector<std::uint32_t>{2, 3}));
  EXPECT_EQ(values(outputs->at(0)), (std::vector<float>{0, 2, 0, 4, 0, 6}));
}

TEST_F(OpenVinoTest, TellsTheModelsInputsAndOutputs) {
  const Model& model = load_text(relu());
  ASSERT_EQ(model.inputs().size(), 1U);
  EXPECT_EQ(model.inputs()[0].name, "x");
  EXPECT_EQ(model.inputs()[0].type, ElementType::F32);
  EXPECT_EQ(model.inputs()[0].dims, (std::vector<std::uint32_t>{2, 3}));
  ASSERT_EQ(model.outputs().size(), 1U);
  EXPECT_EQ(model.outputs()[0].name, "y");
}

TEST_F(OpenVinoTest, RefusesInputsOfAnotherShapeAndGoesOn) {
  Model& model = load_text(relu());
  EXPECT_EQ(infer(model, {floats({3, 2}, std::vector<float>(6))}).error().reason, Reason::BadInput);
  EXPECT_EQ(infer(model, {floats({2, 3}, std::vector<float>(5))}).error().reason, Reason::BadInput);
  EXPECT_EQ(infer(model, {floats({0xFFFFFFFF, 0xFFFFFFFF}, {0})}).error().reason, Reason::BadInput);
  EXPECT_EQ(infer(model, {}).error().reason, Reason::BadInput);
  EXPECT_TRUE(infer(model, {floats({2, 3}, std::vector<float>(6))}));
}

TEST_F(OpenVinoTest, NothingOfOneInferenceIsSeenByTheNext) {
  // y = state + x, which becomes the state; the state begins as x.
  constexpr std::string_view kStateful = R"(<?xml version="1.0"?><net name="sum" version="11"><layers>
    <layer id="0" name="x" type="Parameter" version="opset1"><data shape="2,3" element_type="f32"/>
      <output><port id="0" precision="FP32" names="x">DIMS</port></output></layer>
    <layer id="1" name="state" type="ReadValue" version="opset6">
      <data variable_id="s" variable_type="f32" variable_shape="2,3"/>
      <input><port id="0">DIMS</port></input><output><port id="1" precision="FP32">DIMS</port></output></layer>
    <layer id="2" name="y" type="Add" version="opset1"><data auto_broadcast="numpy"/>
      <input><port id="0">DIMS</port><port id="1">DIMS</port></input>
      <output><port id="2" precision="FP32" names="y">DIMS</port></output></layer>
    <layer id="3" name="keep" type="Assign" version="opset6"><data variable_id="s"/>
      <input><port id="0">DIMS</port></input><output><port id="1" precision="FP32">DIMS</port></output></layer>
    <layer id="4" name="r" type="Result" version="opset1"><input><port id="0">DIMS</port></input></layer></layers>
    <edges><edge from-layer="0" from-port="0" to-layer="1" to-port="0"/>
      <edge from-layer="1" from-port="1" to-layer="2" to-port="0"/>
      <edge from-layer="0" from-port="0" to-layer="2" to-port="1"/>
      <edge from-layer="2" from-port="2" to-layer="3" to-port="0"/>
      <edge from-layer="2" from-port="2" to-layer="4" to-port="0"/></edges></net>)";
  Model& model = load_text(replaced(std::string(kStateful), "DIMS", "<dim>2</dim><dim>3</dim>"));
  for (int i = 0; i < 3; ++i) {
    const Outputs outputs = infer(model, {floats({2, 3}, {1, 2, 3, 4, 5, 6})});
    ASSERT_TRUE(outputs) << outputs.error().message;
    EXPECT_EQ(values(outputs->at(0)), (std::vector<float>{2, 4, 6, 8, 10, 12}));
  }
}

TEST_F(OpenVinoTest, ManyThreadsGetTheirOwnAnswers) {
  constexpr std::size_t kThreads = 3;
  Model& model = load_text(relu("1", "64"), 2);
  std::array<int, kThreads> right{};
  const auto call = [&](std::size_t thread) {
    for (std::size_t i = 0; i < 50; ++i) {
      const std::vector<float> mine(64, static_cast<float>(thread * 1000 + i));
      const Outputs outputs = infer(model, {floats({1, 64}, mine)});
      right.at(thread) += static_cast<int>(outputs && values(outputs->at(0)) == mine);
    }
  };
  std::array<std::thread, kThreads> callers;
  for (std::size_t thread = 0; thread < kThreads; ++thread) {
    callers.at(thread) = std::thread(call, thread);
  }
  for (std::thread& caller : callers) {
    caller.join();
  }
  EXPECT_EQ(right, (std::array<int, kThreads>{50, 50, 50}));
}

TEST_F(OpenVinoTest, IsDestroyedWithWorkInFlight) {
  Model& model = load_text(relu("256", "256"));
  int answers = 0;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(model.infer({floats({256, 256}, std::vector<float>(65536))}, {}, [&](const Outputs&) {
      static std::mutex mutex;
      const std::lock_guard lock(mutex);
      ++answers;
    }));
  }
  host_.reset();
  EXPECT_EQ(answers, 20);
}

TEST_F(OpenVinoTest, AnswersStayWhenTheFileIsOverwritten) {
  Model& model = load_text(relu());
  write("model.xml", "no longer a model");
  EXPECT_TRUE(infer(model, {floats({2, 3}, std::vector<float>(6))}));
}

TEST_F(OpenVinoTest, NamesAMissingFile) {
  EXPECT_EQ(refusal(directory_ / "none.xml"),
            "model test: " + (directory_ / "none.xml").string() + ": No such file or directory");
}

TEST_F(OpenVinoTest, RefusesWhatIsNotAnIrFile) {
  EXPECT_NE(refusal(directory_).find("is not a file"), std::string::npos);
  for (const auto& [file, text] :
       std::map<std::string, std::string>{{"model.onnx", relu()},
                                          {"old.xml", replaced(relu(), "version=\"11\"", "version=\"7\"")},
                                          {"empty.xml", ""},
                                          {"text.xml", "hello"},
                                          {"other.xml", "<html></html>"}}) {
    EXPECT_NE(refusal(write(file, text)).find("is not OpenVINO IR"), std::string::npos) << file;
  }
}

TEST_F(OpenVinoTest, RefusesEveryTruncation) {
  const std::string whole = relu();
  for (std::size_t length = 0; length < whole.size(); length += 37) {
    EXPECT_NE(refusal(write("short.xml", whole.substr(0, length))), "accepted") << length;
  }
}

TEST_F(OpenVinoTest, RefusesUnknownOperationsAndBrokenGraphs) {
  EXPECT_NE(refusal(write("op.xml", network("Bogus", "2", "3"))).find("Bogus"), std::string::npos);
  EXPECT_NE(refusal(write("edge.xml", replaced(relu(), R"(to-layer="2")", R"(to-layer="9")"))).find("Argument has 0"),
            std::string::npos);
}

TEST_F(OpenVinoTest, RefusesWeightsThatAreMissingOrTooShort) {
  const std::string constant = R"(<layer id="0" name="x" type="Const" version="opset1">
      <data element_type="f32" shape="2,3" offset="0" size="24"/>
      <output><port id="0" precision="FP32"><dim>2</dim><dim>3</dim></port></output></layer>)";
  const std::string xml = relu();
  const std::size_t begin = xml.find("<layer ");
  const std::size_t end = xml.find("</layer>", begin) + std::string_view("</layer>").size();
  const std::filesystem::path path = write("weights.xml", std::string(xml).replace(begin, end - begin, constant));
  EXPECT_NE(refusal(path).find("bin file"), std::string::npos);
  write("weights.bin", "short");
  EXPECT_NE(refusal(path).find("bin file"), std::string::npos);
  write("weights.bin", std::string(24, '\0'));
  EXPECT_EQ(refusal(path), "accepted");
}

TEST_F(OpenVinoTest, RefusesShapesThatVary) {
  EXPECT_NE(refusal(write("batch.xml", relu("?", "3"))).find("has shapes that vary"), std::string::npos);
}

TEST_F(OpenVinoTest, RefusesShapesThatAreEmptyOrHuge) {
  EXPECT_NE(refusal(write("zero.xml", relu("0", "3"))).find("is empty"), std::string::npos);
  EXPECT_NE(refusal(write("large.xml", relu("1024", "1025"))).find("over 1048576 bytes"), std::string::npos);
  EXPECT_NE(refusal(write("huge.xml", relu("4294967296", "4294967296"))).find("over 1048576 bytes"), std::string::npos);
  EXPECT_NE(refusal(write("negative.xml", relu("-7", "3"))).find("dimension (-7)"), std::string::npos);
  EXPECT_NE(refusal(write("overflow.xml", relu("99999999999999999999", "3"))).find("dimension (99"), std::string::npos);
}

TEST_F(OpenVinoTest, RefusesElementTypesThatGuestsCannotExchange) {
  EXPECT_NE(refusal(write("bf16.xml", replaced(replaced(relu(), "FP32", "BF16"), "f32", "bf16"))).find("of type bf16"),
            std::string::npos);
}

}  // namespace
}  // namespace trilby::inference
