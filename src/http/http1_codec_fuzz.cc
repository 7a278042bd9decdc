// Cuts an input at places that the input itself chooses. Whatever the cuts, the codec must see the same requests, never
// give more body than was announced, and use up what it is given.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "http/codec_transcript.h"

using trilby::http::CodecTranscript;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  // The first two bytes seed the cuts; small limits bring their edges within reach.
  std::uint32_t seed = data[0] * 256U + data[1];
  const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  constexpr trilby::http::RequestParser::Limits kLimits{.head_bytes = 300, .fields = 8};

  CodecTranscript whole(kLimits);
  whole.feed(input);
  CodecTranscript cut(kLimits);
  for (std::size_t at = 0; at < input.size();) {
    seed = seed * 1664525U + 1013904223U;
    const std::size_t length = 1 + (seed >> 16U) % 24;
    cut.feed(input.substr(at, length));
    at += length;
  }
  const std::string expected = whole.text();
  if (cut.text() != expected || !whole.broken().empty() || !cut.broken().empty()) {
    std::fprintf(stderr, "whole:\n%s\ncut:\n%s\n%s%s\n", expected.c_str(), cut.text().c_str(),
                 std::string(whole.broken()).c_str(), std::string(cut.broken()).c_str());
    std::abort();
  }
  return 0;
}
