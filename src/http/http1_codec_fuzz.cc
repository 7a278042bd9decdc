// Cuts an input at places that the input itself chooses. Whatever the cuts, the codec must see the same requests, never
// give more body than was announced, and use up what it is given.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "http/codec_fuzz.h"
#include "http/codec_transcript.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  // The first two bytes seed the cuts.
  const std::uint32_t seed = data[0] * 256U + data[1];
  const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);

  trilby::http::CodecTranscript whole(trilby::http::kFuzzLimits);
  whole.feed(input);
  trilby::http::CodecTranscript cut(trilby::http::kFuzzLimits);
  trilby::http::feed_in_pieces(input, seed, [&](std::string_view piece) { cut.feed(piece); });
  trilby::http::must_agree(whole, cut);
  return 0;
}
