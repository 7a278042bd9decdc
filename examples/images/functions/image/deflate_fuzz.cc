// Whatever is compressed must come out of a decoder as it went in, and within the size that is promised.
#include <cstdlib>

#include "image/deflate.h"
#include "image/test_pictures.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) {
    return 0;
  }
  // The first byte repeats the others as a whole, so that matches and more than one block are reached.
  image::File input;
  for (unsigned i = 0; i <= data[0] && input.size() < 200'000; ++i) {
    input.insert(input.end(), data + 1, data + size);
  }
  const image::Buffer compressed = image::compress(input);
  if (compressed.size() > 12 + input.size() + (input.size() / 5000) || image::inflate_with_stb(compressed) != input) {
    std::abort();
  }
  return 0;
}
