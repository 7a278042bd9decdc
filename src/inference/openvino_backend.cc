// The plug-in: the only file that knows OpenVINO. Its exceptions end here.
#include <algorithm>
#include <array>
#include <cstddef>
#include <exception>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <openvino/runtime/core.hpp>
#include <openvino/runtime/properties.hpp>

#include "inference/backend.h"

namespace trilby::inference {
namespace {

std::optional<ElementType> element_type(const ov::element::Type& type) {
  switch (type) {
    case ov::element::Type_t::f16:
      return ElementType::F16;
    case ov::element::Type_t::f32:
      return ElementType::F32;
    case ov::element::Type_t::f64:
      return ElementType::F64;
    case ov::element::Type_t::u8:
      return ElementType::U8;
    case ov::element::Type_t::i32:
      return ElementType::I32;
    case ov::element::Type_t::i64:
      return ElementType::I64;
    default:
      return std::nullopt;
  }
}

/// The sentence in OpenVINO's message, which comes after lines that say where in its sources it was thrown.
std::string cause(const std::exception& error) {
  constexpr std::size_t kLongest = 300;
  std::string text = error.what();
  text.erase(text.find_last_not_of(" \n") + 1);
  const std::size_t last_line = text.rfind('\n');
  return text.substr(last_line == std::string::npos ? 0 : last_line + 1, kLongest);
}

class OpenVinoRunner final : public Runner {
 public:
  OpenVinoRunner(std::string name, ov::CompiledModel model, std::vector<TensorInfo> outputs)
      : name_(std::move(name)), model_(std::move(model)), outputs_(std::move(outputs)) {
    start_over();
  }

  Result<std::vector<Tensor>> run(const std::vector<Tensor>& inputs) override {
    try {
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        std::ranges::copy(inputs[i].data, static_cast<std::byte*>(request_.get_input_tensor(i).data()));
      }
      if (stateful_) {
        request_.reset_state();
      }
      request_.infer();
      return outputs();
    } catch (const std::exception& error) {
      return recover(cause(error));
    } catch (...) {
      return recover("an exception of no known type");
    }
  }

 private:
  void start_over() {
    request_ = model_.create_infer_request();
    stateful_ = !request_.query_state().empty();
  }

  /// A request that threw may be in any state; the next run gets a new one.
  Result<std::vector<Tensor>> recover(const std::string& why) {
    try {
      start_over();
    } catch (const std::exception&) {
      return fail(Reason::Internal, "model {}: {}, and no new request can be made", name_, why);
    }
    return fail(Reason::Internal, "model {}: {}", name_, why);
  }

  std::vector<Tensor> outputs() {
    std::vector<Tensor> result;
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      const ov::Tensor source = request_.get_output_tensor(i);
      const auto* const bytes = static_cast<const std::byte*>(source.data());
      result.push_back(
          {.type = outputs_[i].type, .dims = outputs_[i].dims, .data = {bytes, bytes + source.get_byte_size()}});
    }
    return result;
  }

  std::string name_;
  ov::CompiledModel model_;
  std::vector<TensorInfo> outputs_;
  ov::InferRequest request_;
  bool stateful_ = false;
};

class OpenVinoBackend final : public Backend {
 public:
  Result<LoadedModel> load(const ModelSpec& spec) override;

 private:
  Result<LoadedModel> compile(const ModelSpec& spec);

  std::optional<ov::Core> core_;
};

/// Whether a file begins as IR does. On anything else OpenVINO would try its other readers, which are large and trust
/// more (ONNX follows paths to further files).
bool is_ir(std::string_view head) {
  const std::size_t begin = std::min(head.find("<net "), head.size());
  const std::size_t end = head.find('>', begin);
  return end != std::string_view::npos &&
         head.substr(begin, end - begin).find(" version=\"1") != std::string_view::npos;
}

Result<void> check_file(const ModelSpec& spec) {
  std::error_code error;
  const auto status = std::filesystem::status(spec.path, error);
  if (error) {
    return fail(Reason::Manifest, "model {}: {}: {}", spec.name, spec.path.string(), error.message());
  }
  if (!std::filesystem::is_regular_file(status)) {
    return fail(Reason::Manifest, "model {}: {} is not a file", spec.name, spec.path.string());
  }
  std::ifstream file(spec.path);
  if (!file) {
    return fail(Reason::Manifest, "model {}: {} cannot be opened for reading", spec.name, spec.path.string());
  }
  std::array<char, 1024> head{};
  file.read(head.data(), head.size());
  if (spec.path.extension() != ".xml" || !is_ir({head.data(), head.size()})) {
    return fail(Reason::Manifest, "model {}: {} is not OpenVINO IR (.xml, with its .bin beside it)", spec.name,
                spec.path.string());
  }
  return {};
}

/// What guests are told about an input or output, or why they cannot use it.
Result<TensorInfo> describe(const ov::Output<const ov::Node>& port, const ModelSpec& spec) {
  TensorInfo info;
  info.name = port.get_names().empty() ? std::string() : *std::ranges::min_element(port.get_names());
  const std::optional<ElementType> type = element_type(port.get_element_type());
  if (!type) {
    return fail(Reason::Manifest, "model {}: {}: tensor {} is of type {}, which guests cannot exchange", spec.name,
                spec.path.string(), info.name, port.get_element_type().to_string());
  }
  info.type = *type;
  const ov::Shape& shape = port.get_shape();
  for (const std::size_t dim : shape) {
    info.dims.push_back(static_cast<std::uint32_t>(std::min<std::size_t>(dim, kMaxTensorBytes)));
  }
  const std::optional<std::uint64_t> size = byte_size(info.type, info.dims);
  if (!size || *size > spec.max_tensor_bytes) {
    return fail(Reason::Manifest, "model {}: {}: tensor {} {} is empty, has over {} dimensions or over {} bytes",
                spec.name, spec.path.string(), info.name, shape.to_string(), kMaxRank, spec.max_tensor_bytes);
  }
  return info;
}

/// Runs the model once on zeros: what is broken shows now, and the first caller need not wait for kernels and memory.
Result<void> warm_up(LoadedModel& loaded) {
  std::vector<Tensor> zeros;
  zeros.reserve(loaded.inputs.size());
  for (const TensorInfo& info : loaded.inputs) {
    zeros.push_back({.type = info.type,
                     .dims = info.dims,
                     .data = std::vector<std::byte>(byte_size(info.type, info.dims).value_or(0))});
  }
  for (const auto& runner : loaded.runners) {
    TRILBY_CHECK(runner->run(zeros));
  }
  return {};
}

Result<LoadedModel> OpenVinoBackend::load(const ModelSpec& spec) {
  TRILBY_CHECK(check_file(spec));
  const auto broken = [&spec](const std::string& why) {
    return fail(Reason::Manifest, "model {}: {} cannot be loaded: {}", spec.name, spec.path.string(), why);
  };
  try {
    TRILBY_ASSIGN(LoadedModel loaded, compile(spec));
    if (const Result<void> warm = warm_up(loaded); !warm) {
      return broken(warm.error().message);
    }
    return loaded;
  } catch (const std::exception& error) {
    return broken(cause(error));
  } catch (...) {
    return broken("an exception of no known type");
  }
}

Result<LoadedModel> OpenVinoBackend::compile(const ModelSpec& spec) {
  if (!core_) {
    core_.emplace();
  }
  // Not mapped: a model that is overwritten in place must not change or kill a worker that runs it.
  const ov::AnyMap reading = {ov::enable_mmap(false)};
  const std::shared_ptr<const ov::Model> model = core_->read_model(spec.path, std::filesystem::path(), reading);
  // With one thread OpenVINO 2026.4 loses the error when the shapes inside do not agree and computes on whatever memory
  // is there, so no caller may choose a shape.
  if (model->is_dynamic()) {
    return fail(Reason::Manifest, "model {}: {} has shapes that vary; fix them when converting it (ovc --input)",
                spec.name, spec.path.string());
  }
  LoadedModel loaded;
  for (const auto& input : model->inputs()) {
    TRILBY_ASSIGN(TensorInfo info, describe(input, spec));
    loaded.inputs.push_back(std::move(info));
  }
  for (const auto& output : model->outputs()) {
    TRILBY_ASSIGN(TensorInfo info, describe(output, spec));
    loaded.outputs.push_back(std::move(info));
  }
  const ov::CompiledModel compiled = core_->compile_model(
      model, "CPU", ov::num_streams(static_cast<int>(spec.streams)),
      ov::inference_num_threads(static_cast<int>(spec.threads * spec.streams)), ov::hint::enable_cpu_pinning(false),
      // The same answers on every CPU, not bfloat16 where there is hardware for it.
      ov::hint::inference_precision(ov::element::f32));
  for (unsigned i = 0; i < spec.streams; ++i) {
    loaded.runners.push_back(std::make_unique<OpenVinoRunner>(spec.name, compiled, loaded.outputs));
  }
  return loaded;
}

}  // namespace
}  // namespace trilby::inference

extern "C" [[gnu::visibility("default")]] trilby::inference::Backend* trilby_inference_backend() {
  // Never destroyed: OpenVINO's threads may outlive main's statics.
  static auto* const backend = new trilby::inference::OpenVinoBackend();
  return backend;
}
