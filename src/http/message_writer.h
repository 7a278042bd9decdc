/// \file  Puts messages on a connection: answers of a server, requests of a client. Private to http/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "call/body.h"
#include "http/pace.h"
#include "http/response_head.h"
#include "net/loop.h"
#include "net/stream.h"

namespace trilby::http {

/// Writes heads and bodies, pulling each piece of a body when the socket has taken the one before. What is there at
/// once goes out in one system call. Threading: loop-bound. Ownership: outlived by stream and owner.
class MessageWriter {
 public:
  /// Why a message stays a fragment.
  enum class Failure : std::uint8_t {
    Broken,   ///< the connection takes no more
    TooSlow,  ///< the peer took too little for too long
    Body,     ///< the body ended badly, or is not as long as it said: body_error()
  };

  /// Either call may destroy the writer.
  class Owner {
   public:
    virtual void on_written() = 0;                  ///< the message is with the kernel, whole
    virtual void on_write_failed(Failure why) = 0;  ///< nothing more is written unless start() is called

   protected:
    ~Owner() = default;
  };

  /// \param pace  at which the peer must take a message
  MessageWriter(net::Loop& loop, net::Stream& stream, Pace pace, Owner& owner);

  /// Writes an interim answer; the owner hears only of failure.
  void interim(std::string_view answer);
  /// Writes a message, later in this turn of the loop, once the one before is written. `body` is not read when the
  /// framing says that there is none. What a body does in its read() must not end this writer.
  void start(std::string_view head, BodyFraming framing, std::unique_ptr<BodySource> body);
  void on_writable();  ///< the stream's word
  /// Gives up what is not written yet. The peer has a fragment then.
  void stop();
  /// Whether a byte of the message was written, or its body was asked for. Until then it may be sent elsewhere.
  [[nodiscard]] bool has_begun() const { return begun_; }
  [[nodiscard]] std::unique_ptr<BodySource> take_back_body() { return std::move(body_); }  ///< before has_begun()
  [[nodiscard]] const Error& body_error() const { return body_error_; }

 private:
  void pump();
  void pull();
  void take(Result<BodySource::Chunk> chunk);
  bool frame(BodySource::Chunk chunk);
  enum class Flushed : std::uint8_t { All, Blocked, Failed };
  Flushed flush();
  [[nodiscard]] std::size_t unsent() const { return lead_.size() + piece_.size() + tail_.size() - written_; }
  void note_progress(std::size_t bytes, bool blocked);

  net::Stream& stream_;
  Owner& owner_;
  Pace pace_;
  net::Deferred begin_;  // with the answers of other connections
  net::Timer timer_;     // runs while the socket is full
  std::optional<Clock::time_point> full_since_;

  // What is to be written next: one after the other, of which the first written_ bytes are gone.
  std::string lead_;  // heads, and the header of a chunk
  std::string piece_;
  std::string_view tail_;
  std::size_t written_ = 0;

  std::unique_ptr<BodySource> body_;
  BodyFraming framing_;
  std::uint64_t left_ = 0;  // of an announced length
  bool active_ = false;     // an answer was started and is not written
  bool last_ = false;       // what is to be written ends it
  bool pulling_ = false;
  bool inside_read_ = false;
  bool broken_ = false;  // the body ended badly
  bool begun_ = false;
  Error body_error_;
};

}  // namespace trilby::http
