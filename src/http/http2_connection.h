/// \file  One connection of the server, while it speaks HTTP/2: many requests at a time. Private to http/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "http/http2_codec.h"
#include "http/linger.h"
#include "http/paced_wait.h"
#include "http/server_core.h"
#include "net/accepted.h"
#include "net/loop.h"
#include "net/stream.h"

namespace trilby::http {

/// Takes requests off one connection as they come, and puts the answers on it side by side. A request is numbered as
/// its stream. Threading: loop-bound.
class Http2Connection final : public ServerConnection,
                              public std::enable_shared_from_this<Http2Connection>,
                              private net::Stream::Listener {
 public:
  Http2Connection(std::shared_ptr<ServerCore> core, std::string peer);
  /// Takes up `Upgrade: h2c`, before start(), which says so: `head` is a request without a body.
  /// \return false when the settings are none: nothing has happened then
  [[nodiscard]] bool take_up(std::string_view settings, RequestHead& head);
  /// Takes over a stream on which the preface has come, or will come next.
  void take_over(net::Place place, net::Stream&& stream);
  void start();

  /// Says that the end comes near; after ServerLimits::drain_idle begins nothing new; closes when all is answered.
  void drain() override;
  void fail() override;

  [[nodiscard]] const std::string& peer() const override { return peer_; }
  [[nodiscard]] std::unique_ptr<BodySource> take_body(RequestNumber request) override;
  [[nodiscard]] std::optional<std::string> take_ready_body(RequestNumber request) override;
  void read_body(RequestNumber request, BodySource::OnChunk on_chunk) override;
  void drop_body(RequestNumber request) override;
  [[nodiscard]] Fields take_trailers(RequestNumber request) override;
  [[nodiscard]] bool sends_trailers() const override { return true; }
  void respond(RequestNumber request, Response response) override;
  void on_abandoned(RequestNumber request, std::function<void()> listener) override;
  void drop_exchange(RequestNumber request) override;

 private:
  /// A request and its answer.
  struct Stream {
    explicit Stream(const ServerCore& core);

    std::unique_ptr<Http2Request> request;  // until the handler has it
    bool has_exchange = false;              // that was given out and is there still
    bool is_closed = false;                 // nothing more can be said or heard on it
    bool is_answered = false;               // and the answer had gone out
    bool is_head_request = false;

    // The request's body.
    std::optional<std::uint64_t> length;
    std::string received;  // and not read
    bool is_complete = false;
    bool is_dropped = false;     // nobody reads it any more
    bool waits_for_100 = false;  // 100 Continue is asked for, and not sent
    Fields trailers;
    BodySource::OnChunk reader;
    PacedWait body_wait;

    // The answer.
    bool has_answer = false;
    std::unique_ptr<BodySource> body;
    std::optional<std::uint64_t> left;  // of an announced length
    std::function<Fields()> answer_trailers;
    std::uint64_t sent = 0;
    PacedWait answer_wait;  // for the peer's window

    std::function<void()> abandoned;
  };

  /// What is there while the connection is open.
  struct Wire {
    Wire(ServerCore& core, net::Place taken, net::Stream&& taken_stream, Http2Connection& owner);
    net::Place place;
    net::Stream stream;
    net::Timer timer;  // what the peer must do next
    net::Timer drain_timer;
    net::Deferred pump;     // with what other connections have to send
    PacedWait socket_wait;  // while the socket is full
  };

  void on_input(net::Stream::Input input) override;
  void on_writable() override;
  void on_time();

  [[nodiscard]] std::shared_ptr<Stream> find(RequestNumber request) const;
  void take_input();
  [[nodiscard]] std::vector<Http2Codec::Event> absorb_events();
  void tell_all(const std::vector<Http2Codec::Event>& events);
  void absorb(Http2Codec::Event& event);
  void tell(const Http2Codec::Event& event);
  void begin(StreamId id, Stream& stream);
  void deliver(StreamId id, Stream& stream);
  void give(StreamId id, Stream& stream, Result<BodySource::Chunk> chunk);
  void finish(StreamId id);
  void finish_all();

  void send_soon();
  void pump();
  bool flush();
  void await_room();
  bool feed_hungry();
  void take_piece(StreamId id, Result<BodySource::Chunk> chunk);
  static bool fits(Stream& stream, const BodySource::Chunk& chunk);
  void bill_readers(bool all_sent);

  void arm();
  void listen();
  void linger();
  void throw_away_input();
  void close();
  void start_timer(Duration after);

  const std::shared_ptr<ServerCore> core_;
  const std::string peer_;
  Http2Codec codec_;
  std::optional<Wire> wire_;  // nothing: closed

  std::unordered_map<StreamId, std::shared_ptr<Stream>> streams_;
  std::unordered_set<StreamId> gone_;  // that closed unanswered while somebody had their exchange
  std::string out_;                    // of which the first written_ bytes are gone
  std::size_t written_ = 0;
  bool pumping_ = false;
  bool has_fed_ = false;
  enum class Awaits : std::uint8_t { Nothing, Fields, Request } awaits_ = Awaits::Nothing;  // what timer is for
  std::uint64_t awaited_fields_ = 0;                                                        // which
  bool lingering_ = false;
  Linger linger_;
};

}  // namespace trilby::http
