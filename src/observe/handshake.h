/// \file  Handshakes of TLS, by how they ended.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "observe/metric.h"

namespace trilby::observe {

enum class HandshakeEnd : std::uint8_t {
  Done,      ///< hands are shaken
  Timeout,   ///< not in the time for it
  Protocol,  ///< the peer speaks no TLS, or none that is spoken here
  Refused,   ///< the peer said why it does not go on (an alert): it does not trust the certificate, as a rule
  Closed,    ///< the peer went away, or never began
  Crowded,   ///< there were too many at a time, and this one had gone on for the longest
};
/// In the order of HandshakeEnd.
inline constexpr std::array<std::string_view, 6> kHandshakeEnds = {"ok",      "timeout", "protocol",
                                                                   "refused", "closed",  "crowded"};

/// Of one listener on one loop. Threading: counted on that loop only; read by anyone.
struct HandshakeMetrics {
  std::array<Counter, kHandshakeEnds.size()> ended;

  void count(HandshakeEnd end) { ended.at(static_cast<std::size_t>(end)).add(); }
};

}  // namespace trilby::observe
