/// \file  How the fuzz targets of the codec cut their input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http/http1_codec.h"

namespace trilby::http {

/// Small limits bring their edges within reach.
inline constexpr ParserLimits kFuzzLimits{.head_bytes = 300, .fields = 8};

/// Calls `feed` with the pieces of `input`, whose lengths follow from `seed`.
template <typename Feed>
void feed_in_pieces(std::string_view input, std::uint32_t seed, const Feed& feed) {
  for (std::size_t at = 0; at < input.size();) {
    seed = seed * 1664525U + 1013904223U;
    const std::size_t length = 1 + (seed >> 16U) % 24;
    feed(input.substr(at, length));
    at += length;
  }
}

/// Ends the process unless both transcripts say the same, and neither that the parser broke its word.
template <typename Transcript>
void must_agree(const Transcript& whole, const Transcript& cut) {
  if (cut.text() != whole.text() || !whole.broken().empty() || !cut.broken().empty()) {
    std::fprintf(stderr, "whole:\n%s\ncut:\n%s\n%s%s\n", whole.text().c_str(), cut.text().c_str(),
                 std::string(whole.broken()).c_str(), std::string(cut.broken()).c_str());
    std::abort();
  }
}

}  // namespace trilby::http
