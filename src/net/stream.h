/// \file  One end of a TCP connection, with TLS or without.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "net/loop.h"
#include "net/socket.h"
#include "net/tls_context.h"
#include "observe/handshake.h"

namespace trilby::net {

/// A connected TCP socket with a bounded buffer for what comes in and none for what goes out (with TLS: what the socket
/// did not take of one record).
/// Threading: loop-bound. Ownership: owns the socket. After close() and after its end the listener is told nothing.
class Stream {
 public:
  enum class Input : std::uint8_t {
    More,    ///< input() has grown; with TLS also once, perhaps without that: hands are shaken
    End,     ///< the peer will send nothing more; it may still read
    Failed,  ///< the connection is gone
  };

  /// What a stream tells its owner. Either call may close or destroy the stream.
  class Listener {
   public:
    virtual void on_input(Input input) = 0;  ///< the answer to receive()
    virtual void on_writable() = 0;          ///< the answer to wait_writable()

   protected:
    ~Listener() = default;
  };

  /// Takes over a connected, non-blocking socket. What is wrong with it shows at the first receive().
  Stream(Loop& loop, Socket socket, Listener& listener);
  /// The same as the server of TLS, unless `tls` is null. Hands are shaken while input is asked for; until that is
  /// done, nothing can be written.
  Stream(Loop& loop, Socket socket, std::shared_ptr<const TlsContext> tls, Listener& listener);
  /// Takes over what another listener had, its input and what it asked for included; `other` is closed to it.
  Stream(Stream&& other, Listener& listener);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// What has come and is not consumed. Valid until consume(), receive() or the end of the stream.
  [[nodiscard]] std::string_view input() const;
  void consume(std::size_t bytes);

  /// Asks for input, unless that is asked for already or `capacity` unconsumed bytes are waiting. The buffer takes that
  /// size when it can: not while input is asked for, and never below what is waiting.
  void receive(std::size_t capacity);

  /// Whether nothing waits in the kernel that input() does not show: no byte, no end, no failure.
  [[nodiscard]] bool is_silent() const;

  /// Whether TLS is to come and does not stand yet.
  [[nodiscard]] bool is_shaking_hands() const;
  /// Why it never will, after Input::Failed: HandshakeEnd::Protocol, Refused or Closed.
  [[nodiscard]] observe::HandshakeEnd handshake_failure() const;
  /// What ALPN came to; empty without TLS, and when the peer asked for nothing.
  [[nodiscard]] std::string_view protocol() const;

  /// What one connection may put on its socket before the others of its loop have their turn. A peer that drains as
  /// fast as it is written to would else hold the loop for the length of an answer.
  static constexpr std::size_t kMostAtOnce = 128 * 1024;

  /// Writes what the socket takes at once, in one system call (with TLS, one for each record, and no more than
  /// kMostAtOnce). What it did not take is what the next call begins with.
  /// \param pieces  at most 4
  /// \return bytes taken, fewer than given when it is time to wait_writable(); nothing when the connection is gone
  [[nodiscard]] std::optional<std::size_t> write(std::span<const std::string_view> pieces);
  void wait_writable();

  void shutdown_send();  ///< tells the peer that nothing more comes
  void close();
  void abort();  ///< closes with a reset, so that the peer cannot take a part for the whole

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace trilby::net
