/// \file  What a peer may ask of a server.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/units.h"

namespace trilby::http {

using namespace trilby::literals;

struct ServerLimits {
  Bytes head = 32_KiB;  ///< request line and fields together
  std::uint32_t fields = 100;
  Duration head_timeout = std::chrono::seconds(10);  ///< first byte of a head to its end; and a handshake of TLS
  Duration body_idle = std::chrono::seconds(30);     ///< between two pieces of a body, either way; and how far a peer
                                                     ///< may fall behind body_rate in all
  Bytes body_rate = 8_KiB;                           ///< a second, of a body that is waited for, either way
  Duration keep_alive = std::chrono::seconds(75);    ///< between two requests
  Duration linger = std::chrono::seconds(30);        ///< a peer that goes on sending after the last answer
  Duration drain_idle = std::chrono::milliseconds(500);  ///< a connection that is idle when the server drains
  std::uint32_t streams = 100;                           ///< requests at a time on one connection of HTTP/2
  std::uint32_t handshakes = 256;                        ///< of TLS at a time, per server; the oldest gives way
  std::uint32_t connections = 10'000;                    ///< per server; more are closed at once
  bool speaks_for_many = false;  ///< who connects is a sidecar, which brings the requests of many over one connection
                                 ///< of HTTP/2: what they break off is no fault of its, and its heads and bodies are
                                 ///< bounded one by one and not all together
  bool h2c_upgrade = false;      ///< whether `Upgrade: h2c` is taken up (RFC 7540 section 3.2); not a limit, but a
                                 ///< permission: behind a proxy that passes it on, it leads past what that proxy checks
};

}  // namespace trilby::http
