/// \file  HTTP server side: HTTP/1.1 and HTTP/2, with TLS or without. Knows sockets and messages, nothing of routes or
/// functions.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/message.h"
#include "http/server_limits.h"
#include "net/accepted.h"
#include "net/loop.h"
#include "net/tls_context.h"
#include "observe/handshake.h"

namespace trilby::http {

/// One request and the answer to it. The handler keeps it (shared) until it has responded; letting go of it without an
/// answer is a defect, and answered as one.
/// Threading: loop-bound. After the connection is gone every call is harmless.
class Exchange {
 public:
  virtual ~Exchange() = default;
  [[nodiscard]] virtual RequestHead& head() = 0;
  /// The request's body; once. `Expect: 100-continue` is answered when the first chunk is asked for. The caller of
  /// read() enforces size limits. A malformed body is Reason::BadRequest. When an answer begins before the body has
  /// been read to its end, the rest of a small one is thrown away before the next request; another closes the
  /// connection, but only after hearing the peer out for a while, so that it sees the answer.
  [[nodiscard]] virtual std::unique_ptr<BodySource> take_body() = 0;
  /// The fields that followed the body, once that has been read to its end. None in HTTP/1.1, which drops them.
  [[nodiscard]] virtual Fields take_trailers() { return {}; }
  /// Whether trailers of an answer reach the peer: not over HTTP/1.1.
  [[nodiscard]] virtual bool sends_trailers() const { return false; }
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

/// What a server speaks, as ALPN names it, the best first.
inline constexpr std::array<std::string_view, 2> kServedProtocols = {"h2", "http/1.1"};

/// Serves connections on one loop. HTTP/2 is for who chose it by ALPN, or, without that, begins with it.
/// Threading: loop-bound.
class Server {
 public:
  /// \param tls  null: without
  /// \param handshakes  where they are counted that ended; outlives it; null: nowhere
  Server(net::Loop& loop, ServerLimits limits, Handler handler, RefusalPage refusal_page,
         std::shared_ptr<const net::TlsContext> tls = nullptr, observe::HandshakeMetrics* handshakes = nullptr);
  ~Server();  ///< closes every connection at once, as if the peers had gone
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Takes over a connected, non-blocking TCP socket, and keeps its place while the connection is open.
  void serve(net::Accepted connection);
  /// No more keep-alive: every connection closes after its next answer. An idle one waits for a request for
  /// ServerLimits::drain_idle first, for one may be on the wire: closing under it would lose it, and its sender could
  /// not know whether it was served. One that never sent a byte waits as long, since its first request is the likeliest
  /// of all to be on its way; so does one that is served from now on, which was accepted before. `drained` runs when
  /// the last one closed.
  void drain(std::function<void()> drained);
  [[nodiscard]] std::size_t connections() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace trilby::http
