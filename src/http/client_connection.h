/// \file  One connection of a client: which request is under way, and what may happen next. Private to http/.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/client_request.h"
#include "http/http1_codec.h"
#include "http/message_writer.h"
#include "http/pace.h"
#include "net/connect.h"
#include "net/stream.h"

namespace trilby::http {

/// Puts requests on one connection, one at a time, and takes the responses off it. Begins by connecting.
/// Ownership: kept by the client while it is open, and by the bodies it gave out. Those name their request; what they
/// ask for after its end gets what it ended with. Threading: loop-bound.
class ClientConnection final : public std::enable_shared_from_this<ClientConnection>,
                               private net::Stream::Listener,
                               private MessageWriter::Owner {
 public:
  /// The client. It is told once of each, and decides what comes next; none of these destroys the connection under its
  /// own feet.
  class Owner {
   public:
    virtual void on_idle(ClientConnection& connection) = 0;    ///< its request is over, and it can take another
    virtual void on_closed(ClientConnection& connection) = 0;  ///< it can take none any more
    /// It is closed, and `request` may be sent once more, over a new one.
    virtual void on_stale(ClientConnection& connection, std::shared_ptr<ClientRequest> request) = 0;

   protected:
    ~Owner() = default;
  };

  ClientConnection(net::Loop& loop, const ClientLimits& limits, const net::Address& to, Owner& owner);

  /// Connects first, when it does not stand yet. Only when it is idle or new.
  void start(std::shared_ptr<ClientRequest> request);
  /// Whether an idle connection can take a request, as far as anybody can know.
  [[nodiscard]] bool is_sound() const;
  /// Closes at once. Whoever waits for the request under way is told `error`; with none, nobody.
  void close(std::optional<Error> error);
  [[nodiscard]] const std::string& peer() const { return peer_; }

  // For the bodies of responses.
  void read_body(const std::shared_ptr<ClientRequest>& request, BodySource::OnChunk on_chunk);
  [[nodiscard]] std::optional<std::string> take_ready_body(const std::shared_ptr<ClientRequest>& request);
  void drop_body(const std::shared_ptr<ClientRequest>& request);

 private:
  /// What is there while the connection is open. The loop may be gone when the last body lets go of the rest.
  struct Wire {
    Wire(net::Loop& loop, const ClientLimits& limits, net::Socket socket, ClientConnection& owner);
    net::Stream stream;
    net::Timer timer;  // what the peer must do next; while idle: how long that may last
    MessageWriter writer;
  };

  void on_connected(Result<net::Socket> socket);
  void begin();
  void on_input(net::Stream::Input input) override;
  void on_writable() override;
  void on_written() override;
  void on_write_failed(MessageWriter::Failure why) override;
  void on_time();

  void read_head();
  void respond();
  void input_ended_early();
  [[nodiscard]] bool may_retry() const;
  void await_head();
  void stop_sending();
  void deliver_body();
  [[nodiscard]] std::string parse_body();
  void wait_for_body();
  void end_wait();
  void give(BodySource::Chunk chunk);
  void finish();
  void fail(std::string_view what);
  void listen();
  void shut();
  RequestParser::Step parse();
  [[nodiscard]] bool is_current(const std::shared_ptr<ClientRequest>& request) const { return request == request_; }

  net::Loop& loop_;
  const ClientLimits& limits_;
  const net::Address to_;
  const std::string peer_;
  Owner* owner_;  // null: closed
  ResponseParser parser_;
  std::optional<net::Connect> connect_;
  std::optional<Wire> wire_;
  bool input_ended_ = false;   // the peer will send nothing more
  bool input_failed_ = false;  // nor was that in good order
  bool was_used_ = false;      // by a request before this one

  // The request under way.
  std::shared_ptr<ClientRequest> request_;  // null: idle
  bool written_ = false;                    // whole
  bool sending_stopped_ = false;            // for good
  bool heard_ = false;                      // a byte came
  bool responded_ = false;                  // the head came
  bool complete_ = false;                   // the last byte of the response was parsed
  BodySource::OnChunk reader_;              // waits for a piece of the body
  Pace pace_;
  std::optional<Clock::time_point> waiting_since_;  // for the peer to send of it
};

}  // namespace trilby::http
