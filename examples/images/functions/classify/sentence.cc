#include "classify/sentence.h"

#include <algorithm>
#include <array>

namespace classify {
namespace {

constexpr std::array<Label, kLabels> kAll = {{
#include "labels.inc"
}};

std::string url_encoded(std::string_view text) {
  constexpr std::string_view kUnreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string encoded;
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    if (kUnreserved.find(letter) != std::string_view::npos) {
      encoded += letter;
    } else {
      encoded += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return encoded;
}

std::string html_escaped(std::string_view text) {
  std::string escaped;
  for (const char letter : text) {
    switch (letter) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += letter;
    }
  }
  return escaped;
}

}  // namespace

std::span<const Label, kLabels> labels() {
  return kAll;
}

std::string sentence(std::span<const float, kLabels> probabilities) {
  const auto best = std::max_element(probabilities.begin(), probabilities.end());
  return sentence(kAll[static_cast<std::size_t>(best - probabilities.begin())], *best);
}

std::string sentence(const Label& label, float probability) {
  const float sureness = probability * 255;
  if (!label.food || !(sureness > 50)) {
    return "It does not appears to be any food item in the picture.";
  }
  const std::string how = sureness > 200 ? "is very likely" : sureness > 125 ? "is likely" : "could be";
  return "It " + how + " a <a href='https://www.google.com/search?q=" + url_encoded(label.name) + "'>" +
         html_escaped(label.name) + "</a> in the picture";
}

}  // namespace classify
