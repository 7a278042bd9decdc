/// \file  The example's functions as Wasm, and the same source compiled natively, call by call in turn.
/// Usage: image_bench FOLDER MODEL.XML PICTURE CALLS     FOLDER holds grayscale.wasm and classify.wasm
/// Prints {"grayscale_wasm": [...], "grayscale_native": [...], "classify_wasm": [...], "classify_native": [...]} in
/// nanoseconds.

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <span>
#include <stop_token>

#include "classify/prepare.h"
#include "classify/sentence.h"
#include "grayscale/grayscale.h"
#include "micro/caller.h"

namespace {

using namespace trilby;

constexpr std::string_view kModel = "food";
constexpr std::size_t kWarmUp = 5;

using Native = std::function<std::string(const std::string& picture)>;

image::Bytes bytes_of(const std::string& picture) {
  return {reinterpret_cast<const std::uint8_t*>(picture.data()), picture.size()};
}

std::string grayscale_natively(const std::string& picture) {
  const auto gray = grayscale::grayscale(bytes_of(picture));
  if (!gray) {
    bench::give_up(gray.refusal().words);
  }
  return {reinterpret_cast<const char*>(gray->data()), gray->size()};
}

/// The model's probabilities, by way of the queue and the thread that guests' inferences take too.
std::array<float, classify::kLabels> infer(inference::Model& model, std::span<const float> samples) {
  inference::Tensor tensor{inference::ElementType::F32, {1, classify::kSide, classify::kSide, classify::kChannels}, {}};
  const auto bytes = std::as_bytes(samples);
  tensor.data.assign(bytes.begin(), bytes.end());
  std::promise<Result<std::vector<inference::Tensor>>> promise;
  std::vector<inference::Tensor> inputs;
  inputs.push_back(std::move(tensor));
  const auto queued = model.infer(std::move(inputs), std::stop_token{},
                                  [&promise](auto outputs) { promise.set_value(std::move(outputs)); });
  if (!queued) {
    bench::give_up(queued.error().message);
  }
  const auto outputs = promise.get_future().get();
  std::array<float, classify::kLabels> probabilities{};
  if (!outputs || outputs->empty() || outputs->front().data.size() != sizeof probabilities) {
    bench::give_up("the model's output is not one probability a label");
  }
  std::memcpy(probabilities.data(), outputs->front().data.data(), sizeof probabilities);
  return probabilities;
}

std::string classify_natively(inference::Model& model, const std::string& picture) {
  const auto samples = classify::prepare(bytes_of(picture));
  if (!samples) {
    bench::give_up(samples.refusal().words);
  }
  return classify::sentence(infer(model, *samples));
}

/// Calls the Wasm function and its native twin in turn. Gives up when they do not agree.
void measure(bench::Caller& caller, const std::shared_ptr<const invoke::Function>& function, const Native& native,
             const std::string& picture, std::size_t calls, bench::Samples& as_wasm, bench::Samples& as_native) {
  caller.repeat(kWarmUp + calls, [&](const std::function<void()>& next) {
    caller.call(function, picture, [&, next](Duration took, const std::string& output) {
      as_wasm.values.push_back(took);
      const auto start = Clock::now();
      const std::string expected = native(picture);
      as_native.values.push_back(Clock::now() - start);
      if (output != expected) {
        bench::give_up(function->name() + ": Wasm and native code do not agree");
      }
      next();
    });
  });
  for (bench::Samples* samples : {&as_wasm, &as_native}) {
    samples->values.erase(samples->values.begin(), samples->values.begin() + kWarmUp);
  }
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string content(std::istreambuf_iterator<char>(file), {});
  if (!file || content.empty()) {
    bench::give_up("cannot read " + path.string());
  }
  return content;
}

invoke::FunctionSpec spec_of(const std::string& name, const std::filesystem::path& folder) {
  invoke::FunctionSpec spec;
  spec.name = name;
  spec.module = folder / (name + ".wasm");
  spec.policy.limits.memory = Bytes{128U << 20U};  // as in the example's manifest
  spec.policy.limits.cpu = std::chrono::seconds(5);
  return spec;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    bench::give_up("usage: image_bench FOLDER MODEL.XML PICTURE CALLS");
  }
  const std::filesystem::path folder = argv[1];
  const std::string picture = read_file(argv[3]);
  const std::size_t calls = std::strtoul(argv[4], nullptr, 10);

  const std::array models = {inference::ModelSpec{.name = std::string(kModel), .path = argv[2]}};
  auto host = inference::ModelHost::load(models);
  if (!host) {
    bench::give_up(host.error().message);
  }
  inference::Model& model = *(*host)->find(kModel);

  bench::Caller caller;
  const auto grayscale = caller.prepare(spec_of("grayscale", folder));
  bench::Caller classify_caller;
  invoke::FunctionSpec classify_spec = spec_of("classify", folder);
  classify_spec.policy.grants.models.emplace(kModel);
  const auto classify = classify_caller.prepare(std::move(classify_spec), host->get());

  bench::Samples grayscale_wasm{"grayscale_wasm", {}};
  bench::Samples grayscale_native{"grayscale_native", {}};
  bench::Samples classify_wasm{"classify_wasm", {}};
  bench::Samples classify_native{"classify_native", {}};
  measure(caller, grayscale, grayscale_natively, picture, calls, grayscale_wasm, grayscale_native);
  measure(
      classify_caller, classify, [&model](const std::string& image) { return classify_natively(model, image); },
      picture, calls, classify_wasm, classify_native);
  bench::print({&grayscale_wasm, &grayscale_native, &classify_wasm, &classify_native});
}
