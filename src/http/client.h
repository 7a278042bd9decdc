/// \file  HTTP/1.1 client side: requests over pooled connections. No TLS, HTTP/2, proxies, redirects or cookies.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/units.h"
#include "call/body.h"
#include "call/fields.h"
#include "http/message.h"
#include "net/address.h"
#include "net/loop.h"

namespace trilby::http {

using namespace trilby::literals;

/// A request to be sent. Fields that frame the message or are about the connection (content-length, transfer-encoding,
/// connection, te, upgrade, expect, ...), and host, are the client's business: those in `fields` are left out.
struct Request {
  net::Address to;     ///< where to connect; there is no resolver yet, so names are the caller's business
  std::string host{};  ///< value of the Host field; empty: the address
  std::string method = "GET";
  std::string target = "/";  ///< origin-form, or "*" for OPTIONS; escaped already
  Fields fields{};
  /// Null: no body. Known length: Content-Length; else chunked. Pulled as the connection takes it; nothing that it does
  /// in read() may give up its own request.
  std::unique_ptr<BodySource> body{};
};

/// What one client may take of this machine, and how long it waits for others.
struct ClientLimits {
  Bytes head = 32_KiB;  ///< of a request, and of a response with the interim ones before it
  std::uint32_t fields = 100;
  std::uint32_t connections = 32;                    ///< to one address, open and being opened
  std::uint32_t waiting = 128;                       ///< requests to one address that wait for a connection
  std::uint32_t addresses = 64;                      ///< that have connections or waiting requests
  Duration queue_wait = std::chrono::seconds(1);     ///< for a connection
  Duration connect = std::chrono::seconds(5);        ///< until a connection stands
  Duration head_timeout = std::chrono::seconds(30);  ///< from the request's last byte to the end of the response's head
  Duration body_idle = std::chrono::seconds(30);   ///< between two pieces of a body that is waited for, either way; and
                                                   ///< how far a peer may fall behind body_rate in all
  Bytes body_rate = 8_KiB;                         ///< a second, of a body that is waited for, either way
  Duration keep_alive = std::chrono::seconds(20);  ///< an unused connection; less than servers keep theirs, lest one
                                                   ///< closes while a request is on its way
};

/// Sends requests of one loop, each over a connection of its own for its time, and keeps connections for the next: the
/// one used last is used first. When an address has all the connections it may, requests wait in line.
///
/// A connection is kept when the response came to its end with the request sent whole, says HTTP/1.1 and not
/// `Connection: close`, and nothing followed it. One that says or does anything while it is unused is closed.
///
/// Retry: a server may close a kept connection just as a request is on its way. When a connection that was used before
/// ends without a byte of an answer, the request is sent once more, over a new connection, if that cannot make anything
/// happen twice: nothing of it had been sent, or its method is idempotent (RFC 9110 section 9.2.2; RFC 9112 section
/// 9.3.1) and it has no body, for a body cannot be read twice. Otherwise it failed.
///
/// Back-pressure: the body of a response is read from the socket as it is pulled, at most 64 KiB ahead.
///
/// Errors: UpstreamFailed for all that the peer does or does not do: refuses or breaks the connection, is slow, answers
/// with what is no HTTP. LimitWall: the deadline came. Overloaded: too many wait already, or waited too long for a
/// connection, or this machine has no descriptor left. Draining: the client was destroyed. BadRequest, HeadTooLarge:
/// the request cannot be sent. When the request's body fails, its own error. Messages name the address, and neither
/// target nor fields. The body of a response fails with the first two, and Draining.
///
/// Threading: loop-bound, one for each loop. Ownership: outlived by the loop, as handles are. Handles and bodies may
/// outlive the client; they are harmless then.
class Client {
 public:
  /// Runs once, later than send() returned, when the head of the final response is there, or never will be. The body is
  /// never null; letting go of it before its end costs the connection, unless the rest has come already.
  using OnResponse = std::function<void(Result<Response>)>;

  Client(net::Loop& loop, ClientLimits limits);
  ~Client();  ///< ends whatever is under way; who waits is told
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Sends a request. A response may come before all of the body was sent: one that refuses (400 and above), or ends
  /// the connection, stops the body (RFC 9112 section 9.5); with any other both go on, until the response ends.
  /// \param deadline  for everything, until the last byte of the response; max(): none
  /// \return a handle; destroying it before `on_response` gives the request up, and `on_response` never runs. After
  ///         that the response's body is what counts.
  [[nodiscard]] std::shared_ptr<void> send(Request request, Clock::time_point deadline, OnResponse on_response);

  /// How things stand, for metrics.
  struct Usage {
    std::size_t open = 0;     ///< connections, those being opened included
    std::size_t idle = 0;     ///< of these: unused
    std::size_t waiting = 0;  ///< requests in line
  };
  [[nodiscard]] Usage usage() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace trilby::http
