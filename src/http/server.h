/// \file  HTTP/1.1 server side. Knows sockets and messages, nothing of routes or functions.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "http/message.h"
#include "net/loop.h"

namespace trilby::http {

using namespace trilby::literals;

struct ServerLimits {
  Bytes head = 32_KiB;  ///< request line and fields together
  std::uint32_t fields = 100;
  Duration head_timeout = std::chrono::seconds(10);  ///< first byte of a head to its end
  Duration body_idle = std::chrono::seconds(30);     ///< between two pieces of a body, either way
  Duration keep_alive = std::chrono::seconds(75);    ///< between two requests
  Duration linger = std::chrono::seconds(30);        ///< a peer that goes on sending after the last answer
  std::uint32_t connections = 10'000;                ///< per server; more are closed at once
};

/// One request and the answer to it. The handler keeps it (shared) until it has responded; letting go of it without an
/// answer is a defect, and answered as one.
/// Threading: loop-bound. After the connection is gone every call is harmless.
class Exchange {
 public:
  virtual ~Exchange() = default;
  [[nodiscard]] virtual RequestHead& head() = 0;
  /// The request's body; once. `Expect: 100-continue` is answered when the first chunk is asked for. The caller of
  /// read() enforces size limits. A malformed body is Reason::BadRequest. An answer that begins before the body has
  /// been read to its end closes the connection, but only after hearing the peer out for a while, so that it sees the
  /// answer.
  [[nodiscard]] virtual std::unique_ptr<BodySource> take_body() = 0;
  /// Answers; once. May be called before the request body has arrived. A status outside 200..599 is a defect.
  virtual void respond(Response response) = 0;
  /// `listener` runs once if the peer goes away, or its connection fails, before the answer is written whole: at once
  /// when that has happened already. A peer that stops sending before it was answered counts as gone; if it can still
  /// read, respond() reaches it all the same. Noticed as long as the peer has not sent more than a few KiB that nobody
  /// has read.
  virtual void on_abandoned(std::function<void()> listener) = 0;
  [[nodiscard]] virtual std::string_view peer() const = 0;  ///< "127.0.0.1:40212"
};

using Handler = std::function<void(const std::shared_ptr<Exchange>&)>;
/// How the server answers what never reaches a handler (malformed head, head too large, timeouts). Made by triggers/,
/// so that these answers look like all others.
using RefusalPage = std::function<Response(Reason, std::string_view detail)>;

/// Serves connections on one loop. Threading: loop-bound.
class Server {
 public:
  Server(net::Loop& loop, ServerLimits limits, Handler handler, RefusalPage refusal_page);
  ~Server();  ///< closes every connection at once, as if the peers had gone
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Takes over a connected, non-blocking TCP socket.
  void serve(int connected_socket);
  /// No more keep-alive: idle connections close now, busy ones after their answer. `drained` runs when the last one
  /// closed.
  void drain(std::function<void()> drained);
  [[nodiscard]] std::size_t connections() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace trilby::http
