/// \file  One connection of the server, while it speaks HTTP/1.1: which request is under way, and what may happen next.
/// Private to http/.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/http1_codec.h"
#include "http/linger.h"
#include "http/message_writer.h"
#include "http/pace.h"
#include "http/server_core.h"
#include "net/accepted.h"
#include "net/loop.h"
#include "net/stream.h"

namespace trilby::http {

class Http2Connection;

/// Takes requests off one connection, one at a time, and puts the answers on it, in order. What begins with HTTP/2, or
/// goes on in it, it hands over.
/// Ownership: kept by the server while it is open, and by the exchanges and bodies it gave out. Those name the request
/// they belong to; what they ask for after its end, or after the connection's, does nothing.
/// Threading: loop-bound.
class Connection final : public ServerConnection,
                         public std::enable_shared_from_this<Connection>,
                         private net::Stream::Listener,
                         private MessageWriter::Owner {
 public:
  Connection(std::shared_ptr<ServerCore> core, net::Accepted accepted);
  void start();
  /// The next answer is the last; without a request, closes after ServerLimits::drain_idle.
  void drain() override;
  void fail() override;

  [[nodiscard]] const std::string& peer() const override { return peer_; }
  [[nodiscard]] std::unique_ptr<BodySource> take_body(RequestNumber request) override;
  [[nodiscard]] std::optional<std::string> take_ready_body(RequestNumber request) override;
  void read_body(RequestNumber request, BodySource::OnChunk on_chunk) override;
  void drop_body(RequestNumber request) override;
  void respond(RequestNumber request, Response response) override;
  void on_abandoned(RequestNumber request, std::function<void()> listener) override;
  void drop_exchange(RequestNumber request) override;

 private:
  enum class Phase : std::uint8_t {
    Start,     ///< hands are shaken, or nothing has come, or the beginning of what HTTP/2 begins with
    Head,      ///< between requests, or inside a head
    Exchange,  ///< a request is under way
    Skip,      ///< it is answered; the rest of its small body is thrown away before the next one
    Linger,    ///< the last answer is out; what still comes is thrown away
  };
  enum class BodyUse : std::uint8_t { Untouched, Taken, Dropped };

  /// What is there while the connection is open. The loop may be gone when the last exchange lets go of the rest.
  struct Wire {
    Wire(ServerCore& core, net::Accepted accepted, Connection& owner);
    net::Place place;
    net::Stream stream;
    net::Timer timer;  // what the peer must do next
    net::Deferred listening;
    MessageWriter writer;
  };

  void on_input(net::Stream::Input input) override;
  void on_writable() override;
  void on_written() override;
  void on_write_failed(MessageWriter::Failure why) override;
  void on_time();

  void begin();
  void await_handshake();
  void end_handshake();
  void count_handshake(observe::HandshakeEnd end) const;
  void become_http2();
  bool take_up_http2();
  void hand_over(const std::shared_ptr<Http2Connection>& successor);
  void process();
  bool process_step();
  void begin_exchange();
  void await_head();
  void refuse(Reason reason, std::string_view detail, std::optional<int> status = std::nullopt);
  void send(Response response);
  void deliver_body();
  void skip_body();
  [[nodiscard]] bool may_skip_body() const;
  [[nodiscard]] std::string parse_body();
  void wait_for_body();
  void end_wait();
  void give(Result<BodySource::Chunk> chunk);
  void abandon();
  void linger();
  void throw_away_input();
  void listen();
  void listen_later();
  void close();

  [[nodiscard]] bool is_current(RequestNumber request) const { return wire_ && request == request_; }
  RequestParser::Step parse();
  void start_timer(Duration after);

  const std::shared_ptr<ServerCore> core_;
  const std::string peer_;
  RequestParser parser_;
  std::optional<Wire> wire_;  // nothing: closed

  Phase phase_ = Phase::Start;
  std::optional<std::list<ServerConnection*>::iterator> handshake_;  // its place, while one of TLS is under way
  bool processing_ = false;                                          // inside process()
  bool input_ended_ = false;                                         // the peer will send nothing more
  bool head_started_ = false;                                        // the head's time is running
  Linger linger_;

  // The request under way.
  RequestNumber request_ = 0;
  bool is_head_request_ = false;
  bool request_complete_ = false;  // its last byte was parsed
  bool responded_ = false;
  bool closing_ = false;    // its answer is the last
  bool continued_ = false;  // 100 Continue is sent, or not asked for
  BodyUse body_use_ = BodyUse::Untouched;
  BodySource::OnChunk reader_;                      // waits for a piece of the body
  Pace pace_;                                       // of the body
  std::optional<Clock::time_point> waiting_since_;  // for the peer to send of it
  std::function<void()> abandoned_;
};

}  // namespace trilby::http
