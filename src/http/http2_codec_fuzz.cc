// Two readings of one input. Cut at places that it chooses itself, with nothing answered: whatever the cuts, the same
// requests. And answered, read and reset as it chooses: nothing that a codec must never do.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http/http2_transcript.h"

namespace {

using namespace trilby::http;

// Small limits bring their edges within reach.
constexpr Http2Limits kLimits{.head_bytes = 400,
                              .fields = 6,
                              .streams = 4,
                              .all_heads = 900,
                              .stream_window = 300,
                              .window = 65'535,
                              .resets = 6,
                              .resets_per_second = 1,
                              .chatter = 40,
                              .chatter_per_second = 1};

/// Makes frames of an input, so that not all of them are nonsense.
std::string frames(std::string_view script) {
  std::string made = http2_start();
  const auto next = [&] {
    const auto byte = script.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(script.front());
    script.remove_prefix(std::min<std::size_t>(1, script.size()));
    return byte;
  };
  while (!script.empty()) {
    const std::uint8_t type = next();
    const std::uint8_t flags = next();
    const StreamId stream = next() % 16;
    const std::size_t length = std::min<std::size_t>(next(), script.size());
    std::string payload = type >= 0x80 ? http2_head(type % 2 == 0 ? "POST" : "GET", "/p") : "";
    payload += script.substr(0, length);
    script.remove_prefix(length);
    made += http2_frame(static_cast<std::uint8_t>(type >= 0x80 ? 1 : type % 11), flags, stream, payload);
  }
  return made;
}

[[noreturn]] void fail(const std::string& first, const std::string& second, std::string_view broken) {
  std::fprintf(stderr, "%s\n----\n%s\n%s\n", first.c_str(), second.c_str(), std::string(broken).c_str());
  std::abort();
}

/// Answers what comes, as the bytes of `choices` say.
void answer(Http2Transcript& transcript, std::uint32_t choices) {
  Http2Codec& codec = transcript.codec();
  for (const auto& [stream, size] : transcript.unread()) {
    choices = choices * 1664525U + 1013904223U;
    switch ((choices >> 16U) % 8) {
      case 0:
        codec.respond(stream, 200, {{"A", "b"}}, {.kind = BodyFraming::Kind::Chunked}, "now", true);
        break;
      case 1:
        codec.respond(stream, 204, {}, {}, "now", false);
        break;
      case 2:
        codec.reset(stream, Http2Error::Cancel);
        break;
      case 3:
        codec.invite(stream);
        break;
      case 4:
        codec.consume(stream, size);
        break;
      default:
        break;
    }
  }
  for (const StreamId stream : codec.take_hungry()) {
    choices = choices * 1664525U + 1013904223U;
    codec.give(stream, std::string((choices >> 16U) % 40'000, 'x'), (choices >> 8U) % 3 == 0,
               {{"grpc-status", "0"}, {"bad\n", ""}});
  }
  if (choices % 61 == 0) {
    codec.announce_end();
  } else if (choices % 67 == 0) {
    codec.refuse_new();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) {
    return 0;
  }
  // The first byte says how the rest is to be taken, the next two seed cuts and answers.
  std::uint32_t seed = data[1] * 256U + data[2];
  const std::string_view rest(reinterpret_cast<const char*>(data) + 3, size - 3);
  const std::string input = data[0] % 4 == 0 ? std::string(kHttp2Preface) + std::string(rest) : frames(rest);

  Http2Transcript whole(kLimits);
  whole.feed(input);
  Http2Transcript cut(kLimits);
  Http2Transcript answered(kLimits);
  for (std::size_t at = 0; at < input.size();) {
    seed = seed * 1664525U + 1013904223U;
    const std::size_t length = 1 + (seed >> 16U) % 24;
    const std::string_view piece = std::string_view(input).substr(at, length);
    cut.feed(piece);
    answered.feed(piece);
    answer(answered, seed);
    answered.drain();
    at += length;
  }
  whole.drain();
  cut.drain();
  // Once a connection is done nghttp2 looks at nothing more, but only from the next cut on.
  const bool ends_differ = cut.codec().is_done() != whole.codec().is_done() ||
                           (cut.goaway() >= 0 && whole.goaway() >= 0 && cut.goaway() != whole.goaway());
  if (cut.text() != whole.text() || ends_differ) {
    fail(whole.text() + std::to_string(whole.goaway()), cut.text() + std::to_string(cut.goaway()), "cuts matter");
  }
  for (const Http2Transcript* transcript : {&whole, &cut, &answered}) {
    if (!transcript->broken().empty()) {
      fail(transcript->text(), {}, transcript->broken());
    }
  }
  return 0;
}
