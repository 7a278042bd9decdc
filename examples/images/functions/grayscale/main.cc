#include "grayscale/grayscale.h"
#include "image/command.h"

int main() {
  const auto input = image::read_input();
  if (!input) {
    return image::fail(image::kBadInput, input.refusal().words);
  }
  const auto output = grayscale::grayscale(*input);
  return output ? image::write_output(*output) : image::fail(image::kBadInput, output.refusal().words);
}
