#include "http/client_connection.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace trilby::http {
namespace {

// An idle connection keeps the small buffer: ordinary heads fit, and a longer one is parsed in pieces.
constexpr std::size_t kHeadBuffer = 4 * 1024;
constexpr std::size_t kBodyBuffer = 64 * 1024;
constexpr int kFirstRefusal = 400;

class ResponseBody final : public BodySource {
 public:
  ResponseBody(std::shared_ptr<ClientConnection> connection, std::shared_ptr<ClientRequest> request,
               std::optional<std::uint64_t> length)
      : connection_(std::move(connection)), request_(std::move(request)), length_(length) {}
  ~ResponseBody() override { connection_->drop_body(request_); }

  void read(OnChunk on_chunk) override { connection_->read_body(request_, std::move(on_chunk)); }
  std::optional<std::string> take_ready() override { return connection_->take_ready_body(request_); }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return length_; }

 private:
  const std::shared_ptr<ClientConnection> connection_;
  const std::shared_ptr<ClientRequest> request_;
  const std::optional<std::uint64_t> length_;
};

}  // namespace

ClientConnection::Wire::Wire(net::Loop& loop, const ClientLimits& limits, net::Socket socket, ClientConnection& owner)
    : stream(loop, std::move(socket), owner),
      timer(loop),
      writer(loop, stream, Pace(limits.body_idle, limits.body_rate), owner) {}

ClientConnection::ClientConnection(net::Loop& loop, const ClientLimits& limits, const net::Address& to, Owner& owner)
    : loop_(loop),
      limits_(limits),
      to_(to),
      peer_(to.text()),
      owner_(&owner),
      parser_({.head_bytes = limits.head.count, .fields = limits.fields}),
      pace_(limits.body_idle, limits.body_rate) {}

// ---- how a request begins

void ClientConnection::start(std::shared_ptr<ClientRequest> request) {
  request_ = std::move(request);
  request_->connection = this;
  if (wire_) {
    return begin();
  }
  connect_.emplace(loop_, to_, limits_.connect,
                   [this](Result<net::Socket> socket) { on_connected(std::move(socket)); });
}

void ClientConnection::on_connected(Result<net::Socket> socket) {
  const auto self = shared_from_this();
  connect_.reset();
  if (!socket) {
    return close(std::move(socket).error());
  }
  wire_.emplace(loop_, limits_, std::move(*socket), *this);
  begin();
}

void ClientConnection::begin() {
  written_ = sending_stopped_ = heard_ = responded_ = complete_ = false;
  pace_.restart();
  wire_->timer.cancel();
  parser_.expect(request_->method);
  wire_->writer.start(request_->head, request_->framing, std::move(request_->body));
  listen();
}

bool ClientConnection::is_sound() const {
  return wire_ && wire_->stream.is_silent();
}

// ---- what happens on the wire

/// Keeps a read under way: it brings the next bytes, and the news that the peer has gone. What nobody wants yet stays
/// in the kernel once the buffer is full.
void ClientConnection::listen() {
  if (!wire_ || input_ended_) {
    return;
  }
  const bool is_large =
      responded_ && !complete_ && parser_.framing().content_length.value_or(kBodyBuffer) > kHeadBuffer;
  wire_->stream.receive(is_large ? kBodyBuffer : kHeadBuffer);
}

void ClientConnection::on_input(net::Stream::Input input) {
  const auto self = shared_from_this();
  input_ended_ = input != net::Stream::Input::More;
  input_failed_ = input == net::Stream::Input::Failed;
  if (!request_) {
    return close(std::nullopt);  // nobody asked it anything
  }
  heard_ = heard_ || !wire_->stream.input().empty();
  if (!responded_) {
    read_head();
  } else if (reader_) {
    deliver_body();
  }
  listen();
}

void ClientConnection::on_writable() {
  const auto self = shared_from_this();
  wire_->writer.on_writable();
}

void ClientConnection::on_written() {
  written_ = true;
  if (!responded_) {
    await_head();
  }
}

void ClientConnection::on_write_failed(MessageWriter::Failure why) {
  const auto self = shared_from_this();
  switch (why) {
    case MessageWriter::Failure::Body:
      wire_->stream.abort();
      return close(wire_->writer.body_error());
    case MessageWriter::Failure::TooSlow:
      return fail(fmt::format("the request was taken too slowly: it fell {} behind {} a second",
                              format(limits_.body_idle), format(limits_.body_rate)));
    case MessageWriter::Failure::Broken:
      break;
  }
  if (!wire_->writer.has_begun()) {
    request_->body = wire_->writer.take_back_body();
  }
  stop_sending();
  if (!heard_ && !wire_->writer.has_begun() && may_retry()) {
    return input_ended_early();
  }
  if (!responded_) {
    await_head();  // it may have answered before it went
  }
}

void ClientConnection::stop_sending() {
  sending_stopped_ = true;
  wire_->writer.stop();
}

void ClientConnection::await_head() {
  wire_->timer.start(limits_.head_timeout, [this] { on_time(); });
}

void ClientConnection::on_time() {
  if (!request_) {
    return close(std::nullopt);
  }
  if (responded_) {
    return fail(fmt::format("the response came too slowly: it fell {} behind {} a second", format(limits_.body_idle),
                            format(limits_.body_rate)));
  }
  fail(fmt::format("no response within {}", format(limits_.head_timeout)));
}

RequestParser::Step ClientConnection::parse() {
  const auto step = parser_.next(wire_->stream.input());
  wire_->stream.consume(step.used);
  return step;
}

// ---- heads

void ClientConnection::read_head() {
  switch (parse().event) {
    case ParserEvent::Head:
      return respond();
    case ParserEvent::Refused:
      return fail(fmt::format("malformed response: {}", parser_.detail()));
    default:
      if (input_ended_) {
        input_ended_early();
      }
  }
}

/// The connection ended before the head did.
void ClientConnection::input_ended_early() {
  if (!heard_ && may_retry()) {
    const auto self = shared_from_this();
    request_->retried = true;
    if (!request_->body) {
      request_->body = wire_->writer.take_back_body();
    }
    Owner* const owner = std::exchange(owner_, nullptr);
    auto request = std::exchange(request_, nullptr);
    request->connection = nullptr;
    shut();
    return owner->on_stale(*this, std::move(request));
  }
  fail(heard_          ? "the connection ended in the head of the response"
       : input_failed_ ? "the connection was reset before a response came"
                       : "the connection ended before a response came");
}

bool ClientConnection::may_retry() const {
  const bool cannot_repeat =
      !wire_->writer.has_begun() || (request_->is_idempotent && request_->framing.kind == BodyFraming::Kind::None);
  return was_used_ && !request_->retried && cannot_repeat;
}

void ClientConnection::respond() {
  const auto request = request_;
  const auto& framing = parser_.framing();
  responded_ = true;
  wire_->timer.cancel();
  // Who refuses a request, or ends the connection with it, does not wait for the rest of it.
  if (!written_ && (parser_.head().status >= kFirstRefusal || !framing.keep_alive)) {
    stop_sending();
  }
  Response response{.status = parser_.head().status, .fields = std::move(parser_.head().fields), .body = nullptr};
  response.body = std::make_unique<ResponseBody>(shared_from_this(), request, framing.content_length);
  complete_ = framing.content_length == 0 && parse().event == ParserEvent::End;
  if (complete_) {
    finish();
  }
  request->answer(std::move(response));
}

// ---- bodies

void ClientConnection::read_body(const std::shared_ptr<ClientRequest>& request, BodySource::OnChunk on_chunk) {
  if (!is_current(request)) {
    return request->error ? on_chunk(trilby::fail(*request->error)) : on_chunk(BodySource::Chunk{{}, true});
  }
  const auto self = shared_from_this();
  reader_ = std::move(on_chunk);
  deliver_body();
  listen();
}

std::optional<std::string> ClientConnection::take_ready_body(const std::shared_ptr<ClientRequest>& request) {
  if (!is_current(request)) {
    return request->error ? std::nullopt : std::optional<std::string>("");
  }
  if (parser_.framing().content_length.value_or(kBodyBuffer + 1) > wire_->stream.input().size()) {
    return std::nullopt;
  }
  const auto self = shared_from_this();
  auto bytes = parse_body();
  finish();
  return bytes;
}

void ClientConnection::drop_body(const std::shared_ptr<ClientRequest>& request) {
  if (!is_current(request)) {
    return;
  }
  const auto self = shared_from_this();
  reader_ = nullptr;
  end_wait();
  std::ignore = parse_body();  // when what has come is all, the connection is kept
  if (complete_) {
    finish();
  } else {
    close(std::nullopt);
  }
}

/// Takes what the buffer holds of the body.
std::string ClientConnection::parse_body() {
  std::string bytes;
  for (bool more = !complete_; more;) {
    const auto step = parser_.next(wire_->stream.input());
    more = step.event == ParserEvent::Body;
    if (more) {
      bytes += parser_.body();
    }
    complete_ = step.event == ParserEvent::End;
    wire_->stream.consume(step.used);
  }
  return bytes;
}

/// Gives a piece of the body to the one who waits, or waits for it.
void ClientConnection::deliver_body() {
  auto bytes = parse_body();
  if (!complete_ && bytes.empty() && input_ended_ && !input_failed_ && !parser_.is_refused()) {
    complete_ = parser_.end_of_input().event == ParserEvent::End;
  }
  if (complete_ || !bytes.empty()) {
    give({std::move(bytes), complete_});
  } else if (input_failed_) {
    fail("the connection was reset in the body of the response");
  } else if (parser_.is_refused()) {
    fail(fmt::format("malformed response: {}", parser_.detail()));
  } else {
    wait_for_body();
  }
}

void ClientConnection::give(BodySource::Chunk chunk) {
  end_wait();
  pace_.moved(chunk.bytes.size());
  const auto reader = std::exchange(reader_, nullptr);
  if (complete_) {
    finish();
  }
  reader(std::move(chunk));
}

/// The time runs on when what has come was no more than the framing of chunks.
void ClientConnection::wait_for_body() {
  if (!waiting_since_) {
    waiting_since_ = Clock::now();
    wire_->timer.start(pace_.left(), [this] { on_time(); });
  }
}

void ClientConnection::end_wait() {
  if (waiting_since_) {
    pace_.waited(Clock::now() - *waiting_since_);
    waiting_since_.reset();
    wire_->timer.cancel();
  }
}

// ---- the end

/// The response is complete.
void ClientConnection::finish() {
  const auto request = std::exchange(request_, nullptr);
  request->connection = nullptr;
  request->timer.reset();
  const bool is_reusable =
      written_ && !sending_stopped_ && parser_.framing().keep_alive && !input_ended_ && wire_->stream.input().empty();
  if (!is_reusable) {
    return close(std::nullopt);
  }
  was_used_ = true;
  wire_->timer.start(limits_.keep_alive, [this] { on_time(); });
  listen();
  owner_->on_idle(*this);
}

void ClientConnection::fail(std::string_view what) {
  close(Error{Reason::UpstreamFailed, fmt::format("{}: {}", peer_, what)});
}

void ClientConnection::close(std::optional<Error> error) {
  const auto self = shared_from_this();
  const auto request = std::exchange(request_, nullptr);
  const auto reader = std::exchange(reader_, nullptr);
  if (request) {
    request->connection = nullptr;
    request->timer.reset();
    request->error = error;
  }
  shut();
  if (Owner* const owner = std::exchange(owner_, nullptr)) {
    owner->on_closed(*this);
  }
  if (!request || !error) {
    return;
  }
  if (reader) {
    reader(trilby::fail(*error));
  } else {
    request->answer(trilby::fail(*error));
  }
}

void ClientConnection::shut() {
  waiting_since_.reset();
  connect_.reset();
  wire_.reset();
}

}  // namespace trilby::http
