/// \file  What the connections of one server share, and what they have in common. Private to http/.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>

#include "http/response_head.h"
#include "http/server.h"
#include "net/loop.h"
#include "net/tls_context.h"
#include "observe/handshake.h"

namespace trilby::http {

/// One connection, as the server sees it and as exchanges and bodies of requests see it. Those name the request they
/// belong to; what they ask for after its end, or after the connection's, does nothing.
/// Ownership: kept by the server while it is open, and by the exchanges and bodies it gave out.
class ServerConnection {
 public:
  using RequestNumber = std::uint64_t;

  ServerConnection() = default;
  ServerConnection(const ServerConnection&) = delete;
  ServerConnection& operator=(const ServerConnection&) = delete;
  virtual ~ServerConnection() = default;

  /// Comes to its end, without losing a request that may be on its way.
  virtual void drain() = 0;
  /// Closes at once. Whoever works on a request is told that the peer has gone.
  virtual void fail() = 0;

  [[nodiscard]] virtual const std::string& peer() const = 0;
  [[nodiscard]] virtual std::unique_ptr<BodySource> take_body(RequestNumber request) = 0;
  [[nodiscard]] virtual std::optional<std::string> take_ready_body(RequestNumber request) = 0;
  virtual void read_body(RequestNumber request, BodySource::OnChunk on_chunk) = 0;
  virtual void drop_body(RequestNumber request) = 0;
  [[nodiscard]] virtual Fields take_trailers(RequestNumber) { return {}; }
  [[nodiscard]] virtual bool sends_trailers() const { return false; }
  virtual void respond(RequestNumber request, Response response) = 0;
  virtual void on_abandoned(RequestNumber request, std::function<void()> listener) = 0;
  virtual void drop_exchange(RequestNumber request) = 0;
};

struct ServerCore {
  net::Loop& loop;
  const ServerLimits limits;
  const Handler handler;
  const RefusalPage refusal_page;
  const std::shared_ptr<const net::TlsContext> tls;  // null: none is spoken
  observe::HandshakeMetrics* const handshakes;       // null: nobody counts them
  DateCache date{};
  std::string head{};  // scratch: the head being made
  std::unordered_set<std::shared_ptr<ServerConnection>> connections{};
  std::list<ServerConnection*> shaking_hands{};  // the longest first
  bool draining = false;
  std::function<void()> drained{};

  void remove(const std::shared_ptr<ServerConnection>& connection);
  /// What the reader of a body hears whose peer does not keep its pace.
  [[nodiscard]] tl::unexpected<Error> too_slow() const;
};

/// What it hears whose peer has gone.
[[nodiscard]] tl::unexpected<Error> peer_has_gone();

}  // namespace trilby::http
