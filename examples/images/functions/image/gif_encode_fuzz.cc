// Any picture that the GIF encoder takes must come out of a decoder as it went in.
#include <cstdlib>

#include "image/gif.h"
#include "image/test_pictures.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  // The first byte repeats each of the others, so that long strings of one colour are reached too.
  const std::size_t repeat = 1 + data[0];
  image::File samples;
  for (std::size_t i = 1; i < size && samples.size() < 65535; ++i) {
    samples.insert(samples.end(), repeat, data[i]);
  }
  samples.resize(std::min<std::size_t>(samples.size(), 65535));
  const auto width = static_cast<std::uint32_t>(samples.size());
  const auto file = image::encode_gif(image::gray_picture(width, 1, 8, samples));
  if (!file) {
    std::abort();
  }
  const auto decoded = image::decode_all(*file);
  if (!decoded || decoded->width != width || decoded->samples.size() != samples.size() * 4) {
    std::abort();
  }
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (decoded->samples[i * 4] != samples[i]) {
      std::abort();
    }
  }
  return 0;
}
