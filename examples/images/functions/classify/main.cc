#include <array>

#include "classify/prepare.h"
#include "classify/sentence.h"
#include "classify/wasi_nn.h"
#include "image/command.h"

// The model takes [1, 224, 224, 3] and gives probabilities, so there is no softmax here.
int main() {
  const auto picture = image::read_input();
  if (!picture) {
    return image::fail(image::kBadInput, picture.refusal().words);
  }
  const auto tensor = classify::prepare(*picture);
  if (!tensor) {
    return image::fail(image::kBadInput, tensor.refusal().words);
  }
  constexpr std::array<std::uint32_t, 4> kDimensions = {1, classify::kSide, classify::kSide, classify::kChannels};
  std::array<float, classify::kLabels> probabilities = {};
  if (const auto inferred = wasi_nn::infer("food", kDimensions, *tensor, probabilities); !inferred) {
    return image::fail(image::kFailed, inferred.refusal().words);
  }
  const std::string answer = classify::sentence(probabilities);
  return image::write_output({reinterpret_cast<const std::uint8_t*>(answer.data()), answer.size()});
}
