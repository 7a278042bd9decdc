#include "http/connection.h"

#include <algorithm>
#include <ctime>
#include <tuple>
#include <utility>

#include "http/exchange.h"
#include "http/http2_connection.h"
#include "http/http2_frames.h"

namespace trilby::http {
namespace {

// An idle connection keeps the small buffer: ordinary heads fit, and a longer one is parsed in pieces.
constexpr std::size_t kHeadBuffer = 4 * 1024;
constexpr std::size_t kBodyBuffer = 64 * 1024;
// An unwanted body of up to this size costs its bytes and not the connection.
constexpr std::uint64_t kSkippedBody = 64 * 1024;

}  // namespace

Connection::Wire::Wire(ServerCore& core, net::Accepted accepted, Connection& owner)
    : place(std::move(accepted.place)),
      stream(core.loop, std::move(accepted.socket), core.tls, owner),
      timer(core.loop),
      listening(core.loop),
      writer(core.loop, stream, Pace(core.limits.body_idle, core.limits.body_rate), owner) {}

Connection::Connection(std::shared_ptr<ServerCore> core, net::Accepted accepted)
    : core_(std::move(core)),
      peer_(net::peer_name(accepted.socket.get())),
      parser_({.head_bytes = core_->limits.head.count, .fields = core_->limits.fields}),
      pace_(core_->limits.body_idle, core_->limits.body_rate) {
  wire_.emplace(*core_, std::move(accepted), *this);
}

void Connection::start() {
  begin();
}

void Connection::drain() {
  if (wire_ && (phase_ == Phase::Start || phase_ == Phase::Head) && !processing_ && parser_.between_requests() &&
      wire_->stream.input().empty()) {
    start_timer(core_->limits.drain_idle);
  }
}

void Connection::fail() {
  if (!wire_) {
    return;
  }
  const auto self = shared_from_this();
  close();
  abandon();
  give(peer_has_gone());
}

void Connection::close() {
  const auto self = shared_from_this();
  end_handshake();
  wire_.reset();
  core_->remove(self);
}

// ---- what happens on the wire

void Connection::on_input(net::Stream::Input input) {
  const auto self = shared_from_this();
  if (input == net::Stream::Input::Failed) {
    count_handshake(wire_->stream.handshake_failure());
    return fail();
  }
  input_ended_ = input == net::Stream::Input::End;
  switch (phase_) {
    case Phase::Start:
      return begin();
    case Phase::Head:
      return process();
    case Phase::Skip:
      return skip_body();
    case Phase::Linger:
      return throw_away_input();
    case Phase::Exchange:
      // A peer that stops sending before it was answered has gone, as browsers and proxies do it. (It may be one that
      // only says that it will ask nothing more; if whoever works on the request answers all the same, it is written.)
      if (input_ended_ && !responded_) {
        abandon();
      }
      if (reader_) {
        deliver_body();
      }
      listen();
  }
}

void Connection::on_writable() {
  const auto self = shared_from_this();
  wire_->writer.on_writable();
}

void Connection::on_write_failed(MessageWriter::Failure /*why*/) {
  wire_->stream.abort();
  fail();
}

void Connection::on_written() {
  const auto self = shared_from_this();
  ++request_;
  abandoned_ = nullptr;
  end_wait();  // before the timer has other work
  const auto reader = std::exchange(reader_, nullptr);
  if (closing_) {
    const bool peer_closes = request_complete_ && !parser_.framing().keep_alive && wire_->stream.input().empty();
    if (input_ended_ || peer_closes) {
      close();
    } else {
      linger();
    }
  } else if (request_complete_) {
    phase_ = Phase::Head;
    process();
  } else {
    phase_ = Phase::Skip;
    skip_body();
  }
  if (reader) {
    reader(peer_has_gone());
  }
}

void Connection::on_time() {
  const auto self = shared_from_this();
  if (phase_ == Phase::Exchange) {
    give(core_->too_slow());
  } else if (handshake_) {
    count_handshake(observe::HandshakeEnd::Timeout);
    fail();
  } else if ((phase_ == Phase::Start || phase_ == Phase::Head) && head_started_) {
    refuse(Reason::RequestTimeout, "The head of the request took too long");
  } else {
    close();
  }
}

/// Keeps a read under way: it brings the next bytes, and the news that the peer has gone. What nobody wants yet stays
/// in the kernel once the buffer is full.
void Connection::listen() {
  if (!wire_ || input_ended_) {
    return;
  }
  const bool is_large =
      phase_ == Phase::Linger || (phase_ == Phase::Exchange && !request_complete_ &&
                                  parser_.framing().content_length.value_or(kBodyBuffer) > kHeadBuffer);
  wire_->stream.receive(is_large ? kBodyBuffer : kHeadBuffer);
}

/// Puts listen() off until the answers of this turn of the loop are out: behind the calls first, and from there behind
/// what those have to say. By then the peer may have sent its next request, and one read does for two: the one that
/// finds nothing yet, and the one that brings it.
void Connection::listen_later() {
  if (wire_) {
    wire_->listening.start([this] { wire_->listening.start([this] { listen(); }); });
  }
}

RequestParser::Step Connection::parse() {
  const auto step = parser_.next(wire_->stream.input());
  wire_->stream.consume(step.used);
  return step;
}

void Connection::start_timer(Duration after) {
  wire_->timer.start(after, [this] { on_time(); });
}

// ---- heads

/// ALPN says which HTTP this is, or else the first bytes do. A request of HTTP/1.1 is told from the other by its third
/// byte at the latest.
void Connection::begin() {
  if (wire_->stream.is_shaking_hands()) {
    return await_handshake();
  }
  count_handshake(observe::HandshakeEnd::Done);
  end_handshake();
  const std::string_view chosen = wire_->stream.protocol();
  if (chosen == "h2") {
    return become_http2();
  }
  if (!chosen.empty()) {
    phase_ = Phase::Head;
    return process();
  }
  const std::string_view input = wire_->stream.input();
  const bool is_http2 = kHttp2Preface.starts_with(input.substr(0, kHttp2Preface.size()));
  if (is_http2 && input.size() >= kHttp2Preface.size()) {
    return become_http2();
  }
  if (!is_http2 || input_ended_) {
    phase_ = Phase::Head;
    return process();
  }
  if (input.empty()) {
    start_timer(core_->draining ? core_->limits.drain_idle : core_->limits.keep_alive);
  } else if (!std::exchange(head_started_, true)) {
    start_timer(core_->limits.head_timeout);
  }
  listen();
}

/// Whoever connects may leave handshakes half done, and each takes memory. So there are never more than some, and who
/// has had the longest for it gives way.
void Connection::await_handshake() {
  if (!handshake_) {
    handshake_ = core_->shaking_hands.insert(core_->shaking_hands.end(), this);
    start_timer(core_->draining ? core_->limits.drain_idle : core_->limits.head_timeout);
    if (core_->shaking_hands.size() > core_->limits.handshakes) {
      count_handshake(observe::HandshakeEnd::Crowded);  // not this one, but for the same listener
      core_->shaking_hands.front()->fail();
    }
  }
  listen();
}

/// That it ends, when one is under way.
void Connection::count_handshake(observe::HandshakeEnd end) const {
  if (handshake_ && core_->handshakes != nullptr) {
    core_->handshakes->count(end);
  }
}

void Connection::end_handshake() {
  if (const auto place = std::exchange(handshake_, std::nullopt)) {
    core_->shaking_hands.erase(*place);
  }
}

void Connection::become_http2() {
  hand_over(std::make_shared<Http2Connection>(core_, peer_));
}

/// \return whether the request that has come goes on as the first one of HTTP/2
bool Connection::take_up_http2() {
  const std::string& settings = parser_.h2c_settings();
  if (settings.empty() || !core_->limits.h2c_upgrade || core_->tls || core_->draining || !request_complete_ ||
      parser_.framing().http_1_0 || parser_.framing().expectation != Expectation::None) {
    return false;
  }
  const auto successor = std::make_shared<Http2Connection>(core_, peer_);
  if (!successor->take_up(settings, parser_.head())) {
    return false;
  }
  hand_over(successor);
  return true;
}

void Connection::hand_over(const std::shared_ptr<Http2Connection>& successor) {
  successor->take_over(std::move(wire_->place), std::move(wire_->stream));
  core_->connections.insert(successor);
  close();
  successor->start();
}

/// Takes requests out of the input until one is under way that is not answered at once. A loop, so that many pipelined
/// requests do not deepen the stack.
void Connection::process() {
  if (processing_) {
    return;
  }
  const auto self = shared_from_this();
  processing_ = true;
  while (wire_ && phase_ == Phase::Head && process_step()) {
  }
  processing_ = false;
  listen_later();
}

/// \return false when the input is used up
bool Connection::process_step() {
  switch (parse().event) {
    case RequestParser::Event::Head:
      begin_exchange();
      return true;
    case RequestParser::Event::Refused:
      refuse(parser_.reason(), parser_.detail());
      return true;
    default:
      await_head();
      return false;
  }
}

void Connection::await_head() {
  const bool is_idle = parser_.between_requests();
  if (input_ended_) {
    return close();
  }
  if (is_idle) {
    start_timer(core_->draining ? core_->limits.drain_idle : core_->limits.keep_alive);
  } else if (!std::exchange(head_started_, true)) {
    start_timer(core_->limits.head_timeout);
  }
}

void Connection::begin_exchange() {
  wire_->timer.cancel();
  head_started_ = false;
  phase_ = Phase::Exchange;
  responded_ = false;
  body_use_ = BodyUse::Untouched;
  is_head_request_ = parser_.head().method == "HEAD";
  pace_.restart();
  waiting_since_.reset();
  continued_ = parser_.framing().http_1_0 || parser_.framing().expectation == Expectation::None;
  request_complete_ = parser_.framing().content_length == 0 && parse().event == RequestParser::Event::End;
  if (take_up_http2()) {
    return;
  }
  if (parser_.framing().expectation == Expectation::Other && !parser_.framing().http_1_0) {
    return refuse(Reason::BadRequest, "Unknown expectation", 417);
  }
  core_->handler(make_exchange(shared_from_this(), request_, std::move(parser_.head())));
}

// ---- bodies

std::unique_ptr<BodySource> Connection::take_body(RequestNumber request) {
  if (is_current(request)) {
    body_use_ = BodyUse::Taken;
  }
  return make_request_body(shared_from_this(), request, parser_.framing().content_length);
}

void Connection::read_body(RequestNumber request, BodySource::OnChunk on_chunk) {
  if (!is_current(request)) {
    return on_chunk(peer_has_gone());
  }
  const auto self = shared_from_this();
  reader_ = std::move(on_chunk);
  deliver_body();
  if (!processing_) {
    listen();
  }
}

void Connection::drop_body(RequestNumber request) {
  if (request == request_) {
    body_use_ = BodyUse::Dropped;
    reader_ = nullptr;
    end_wait();
  }
}

std::optional<std::string> Connection::take_ready_body(RequestNumber request) {
  if (!is_current(request) || parser_.framing().content_length.value_or(kBodyBuffer) > wire_->stream.input().size()) {
    return std::nullopt;
  }
  return parse_body();
}

/// Takes what the buffer holds of the body.
std::string Connection::parse_body() {
  std::string bytes;
  for (bool more = !request_complete_; more;) {
    const auto step = parser_.next(wire_->stream.input());
    more = step.event == RequestParser::Event::Body;
    if (more) {
      bytes += parser_.body();
    }
    request_complete_ = step.event == RequestParser::Event::End;
    wire_->stream.consume(step.used);
  }
  return bytes;
}

/// Gives a piece of the body to the one who waits, or waits for it.
void Connection::deliver_body() {
  if (auto bytes = parse_body(); request_complete_ || !bytes.empty()) {
    give(BodySource::Chunk{std::move(bytes), request_complete_});
  } else if (parser_.is_refused()) {
    give(trilby::fail(parser_.reason(), "malformed request body: {}", parser_.detail()));
  } else if (input_ended_) {
    give(peer_has_gone());
  } else {
    wait_for_body();
    // Once an answer has begun there is no place for an interim one; the peer sends the body unasked, or too late.
    if (!std::exchange(continued_, true) && !responded_) {
      wire_->writer.interim("HTTP/1.1 100 Continue\r\n\r\n");
    }
  }
}

/// Whether the rest of the body can be thrown away in a moment. Not when the peer waits to be asked for it: it may as
/// well send its next request instead.
bool Connection::may_skip_body() const {
  return parser_.framing().content_length.value_or(kSkippedBody + 1) <= kSkippedBody && continued_ &&
         pace_.left() > Duration::zero();
}

void Connection::skip_body() {
  const std::size_t size = parse_body().size();
  end_wait();
  pace_.moved(size);
  if (request_complete_) {
    phase_ = Phase::Head;
    process();
  } else if (input_ended_) {
    close();
  } else {
    wait_for_body();
    listen();
  }
}

void Connection::give(Result<BodySource::Chunk> chunk) {
  if (const auto reader = std::exchange(reader_, nullptr)) {
    end_wait();
    pace_.moved(chunk ? chunk->bytes.size() : 0);
    reader(std::move(chunk));
  }
}

/// The time runs on when what has come was no more than the framing of chunks.
void Connection::wait_for_body() {
  if (!waiting_since_) {
    waiting_since_ = Clock::now();
    start_timer(pace_.left());
  }
}

void Connection::end_wait() {
  if (waiting_since_) {
    pace_.waited(Clock::now() - *waiting_since_);
    waiting_since_.reset();
  }
  if (wire_) {
    wire_->timer.cancel();
  }
}

// ---- answers

void Connection::respond(RequestNumber request, Response response) {
  if (!is_current(request) || responded_) {
    return;
  }
  const auto self = shared_from_this();
  if (body_use_ != BodyUse::Taken) {
    std::ignore = parse_body();  // what has come of a body that nobody wants; when that is all, the connection is kept
  }
  // An answer that begins before the request has been read to its end is the last, unless little is left of it: the
  // peer may be sending still.
  closing_ = !parser_.framing().keep_alive || !(request_complete_ || may_skip_body()) || core_->draining ||
             (input_ended_ && wire_->stream.input().empty());
  send(std::move(response));
}

/// Answers what never reaches the handler, and ends the connection.
void Connection::refuse(Reason reason, std::string_view detail, std::optional<int> status) {
  phase_ = Phase::Exchange;
  is_head_request_ = false;
  request_complete_ = false;
  closing_ = true;
  Response page = core_->refusal_page(reason, detail);
  page.status = status.value_or(page.status);
  send(std::move(page));
}

void Connection::send(Response response) {
  responded_ = true;
  if (response.status < 200 || response.status > 599) {
    response = core_->refusal_page(Reason::Internal, {});
  }
  const BodyFraming framing =
      frame_body(response.status, response.body.get(), is_head_request_,
                 parser_.framing().http_1_0 ? BodyFraming::Kind::Close : BodyFraming::Kind::Chunked);
  std::string& head = core_->head;
  head.clear();
  append_response_head(head, response.status, response.fields, framing, core_->date.at(std::time(nullptr)), closing_);
  wire_->writer.start(head, framing, std::move(response.body));
}

void Connection::on_abandoned(RequestNumber request, std::function<void()> listener) {
  if (request != request_) {
    return;  // answered
  }
  if (wire_ && !input_ended_) {
    abandoned_ = std::move(listener);
  } else {
    listener();
  }
}

void Connection::drop_exchange(RequestNumber request) {
  if (!is_current(request) || responded_) {
    return;
  }
  // Whoever worked on the request gave up. That is as it should be when the peer has gone.
  if (input_ended_) {
    fail();
  } else {
    respond(request, core_->refusal_page(Reason::Internal, {}));
  }
}

void Connection::abandon() {
  if (const auto listener = std::exchange(abandoned_, nullptr)) {
    listener();
  }
}

// ---- the end

/// The answer is out, the peer may be sending still. Closing now would make the kernel reset the connection, and the
/// peer might never see the answer; so it is told that nothing more comes, and heard out for a while.
void Connection::linger() {
  wire_->stream.shutdown_send();
  phase_ = Phase::Linger;
  linger_.begin(core_->limits.linger);
  throw_away_input();
}

void Connection::throw_away_input() {
  const auto wait = linger_.throw_away(wire_->stream);
  if (input_ended_ || !wait) {
    return close();
  }
  start_timer(*wait);
  listen();
}

}  // namespace trilby::http
