/// \file  Inference by the host: wasi-nn, core ABI (module `wasi_ephemeral_nn`). The weights stay with the host.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>

#include "image/result.h"

namespace wasi_nn {

/// Runs the model that the host grants under `name` on one tensor of floats with these dimensions.
/// Fills `output` with the model's first output. \return a refusal with the step that failed and the host's error
image::Result<image::Done> infer(std::string_view name, std::span<const std::uint32_t> dimensions,
                                 std::span<const float> input, std::span<float> output);

}  // namespace wasi_nn
