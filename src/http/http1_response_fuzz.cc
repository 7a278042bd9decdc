// The same as http1_codec_fuzz.cc, for responses, with the end of the connection after the last byte.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "http/codec_fuzz.h"
#include "http/codec_transcript.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  // The first two bytes seed the cuts; the lowest bit chooses what was asked.
  const std::uint32_t seed = data[0] * 256U + data[1];
  const std::string_view method = (seed & 1U) != 0 ? "HEAD" : "GET";
  const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);

  trilby::http::ResponseTranscript whole(trilby::http::kFuzzLimits, method);
  whole.feed(input);
  whole.end_of_input();
  trilby::http::ResponseTranscript cut(trilby::http::kFuzzLimits, method);
  trilby::http::feed_in_pieces(input, seed, [&](std::string_view piece) { cut.feed(piece); });
  cut.end_of_input();
  trilby::http::must_agree(whole, cut);
  return 0;
}
