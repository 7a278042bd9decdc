/// \file  TLS on one connection: from ciphertext to text and back. Private to net/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "net/tls_context.h"
#include "net/tls_openssl.h"
#include "observe/handshake.h"

namespace trilby::net {

/// The server's end of TLS on a socket that somebody else reads from, and that it writes to itself.
/// Threading: of the connection's loop. Ownership: the socket outlives it; in one place.
class TlsSession {
 public:
  enum class Outcome : std::uint8_t {
    Text,        ///< some was read
    WantsInput,  ///< not without more ciphertext
    WantsRoom,   ///< not before the socket takes more
    Ended,       ///< the peer will send nothing more
    Failed,      ///< the connection is of no use any more; the peer was told why where TLS has a word for it
  };

  TlsSession(std::shared_ptr<const TlsContext> context, int socket);  ///< throws std::bad_alloc
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;
  ~TlsSession() = default;

  /// Where ciphertext goes that is read, as long as wants_input(); `most` bytes of it at most.
  [[nodiscard]] std::span<char> input_room(std::size_t most);
  void take_input(std::size_t bytes);  ///< that came into input_room()
  void end_input();                    ///< the peer will send no more ciphertext
  /// Whether read() has nothing to say before more comes.
  [[nodiscard]] bool wants_input() const { return wants_input_; }

  /// Shakes hands until that is done, then reads text.
  /// \param[out] got  bytes of it; 0 unless Outcome::Text
  [[nodiscard]] Outcome read(std::span<char> into, std::size_t& got);
  /// As Stream::write().
  /// \param most  bytes to take, or a record fewer
  [[nodiscard]] std::optional<std::size_t> write(std::span<const std::string_view> pieces, std::size_t most);
  /// Tells the peer, once, that nothing more comes, if the socket takes it at once.
  void end_output();

  [[nodiscard]] bool is_shaking_hands() const { return is_shaking_hands_; }
  /// Why hands were not shaken, after Outcome::Failed or when the socket is gone.
  [[nodiscard]] observe::HandshakeEnd handshake_failure() const { return failure_; }
  [[nodiscard]] std::string_view protocol() const;

 private:
  friend struct TlsBio;
  [[nodiscard]] Outcome outcome_of(int returned);
  Outcome broken(observe::HandshakeEnd why);

  const std::shared_ptr<const TlsContext> context_;
  const int socket_;
  std::unique_ptr<char[]> input_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;  // what waits is [begin_, end_)
  std::size_t end_ = 0;
  std::size_t handshake_input_ = 0;  // bytes
  int messages_ = 0;                 // of handshakes, since text came
  bool input_ended_ = false;
  bool wants_input_ = true;
  bool is_shaking_hands_ = true;
  bool is_broken_ = false;
  observe::HandshakeEnd failure_ = observe::HandshakeEnd::Closed;  // until there is another
  OwnedSsl ssl_;                                                   // goes first: it may still look at the rest
};

}  // namespace trilby::net
