/// \file  Says in words what the model saw.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace classify {

struct Label {
  std::string_view name;
  bool food;
};

/// The 1000 labels of ImageNet, in the order of the model's output.
constexpr std::size_t kLabels = 1000;
std::span<const Label, kLabels> labels();

/// One sentence in HTML about the most probable label, the first of several, with a link that searches for it: very
/// likely above 200/255, likely above 125/255, possible above 50/255. Below that, or when the label is no food, it says
/// that there is none.
std::string sentence(std::span<const float, kLabels> probabilities);

/// The sentence for one label and its probability, 0 to 1.
std::string sentence(const Label& label, float probability);

}  // namespace classify
