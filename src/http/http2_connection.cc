#include "http/http2_connection.h"

#include <array>
#include <ctime>
#include <string_view>
#include <utility>

#include "http/exchange.h"

namespace trilby::http {
namespace {

constexpr StreamId kUpgraded = 1;              // RFC 7540 section 3.2
constexpr std::size_t kIdleBuffer = 4 * 1024;  // as HTTP/1.1 has it
constexpr std::size_t kBuffer = 64 * 1024;
// So much is made ready to be sent at a time, and a frame.
constexpr std::size_t kOutput = 64 * 1024;
constexpr std::size_t kIdleOutput = 16 * 1024;  // is kept by a connection without streams

Http2Limits codec_limits(const ServerLimits& limits) {
  Http2Limits made;
  made.head_bytes = limits.head.count;
  made.fields = limits.fields;
  made.streams = limits.streams;
  if (limits.speaks_for_many) {
    constexpr std::uint32_t kAsManyAsItMayAsk = 1'000'000;
    made.all_heads = made.streams * made.head_bytes;
    made.window = made.streams * made.stream_window;
    made.resets = made.resets_per_second = kAsManyAsItMayAsk;
  }
  return made;
}

Pace pace_of(const ServerCore& core) {
  return {core.limits.body_idle, core.limits.body_rate};
}

}  // namespace

Http2Connection::Stream::Stream(const ServerCore& core)
    : body_wait(core.loop, pace_of(core)), answer_wait(core.loop, pace_of(core)) {}

Http2Connection::Wire::Wire(ServerCore& core, net::Place taken, net::Stream&& taken_stream, Http2Connection& owner)
    : place(std::move(taken)),
      stream(std::move(taken_stream), owner),
      timer(core.loop),
      drain_timer(core.loop),
      pump(core.loop),
      socket_wait(core.loop, pace_of(core)) {}

Http2Connection::Http2Connection(std::shared_ptr<ServerCore> core, std::string peer)
    : core_(std::move(core)), peer_(std::move(peer)), codec_(codec_limits(core_->limits)) {}

bool Http2Connection::take_up(std::string_view settings, RequestHead& head) {
  const bool is_head_request = head.method == "HEAD";
  if (!codec_.upgrade(settings, is_head_request)) {
    return false;
  }
  const auto stream = std::make_shared<Stream>(*core_);
  stream->length = 0;
  stream->is_complete = true;
  stream->is_head_request = is_head_request;
  stream->request = std::make_unique<Http2Request>();
  stream->request->head = std::move(head);
  streams_.emplace(kUpgraded, stream);
  out_ = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
  return true;
}

void Http2Connection::take_over(net::Place place, net::Stream&& stream) {
  wire_.emplace(*core_, std::move(place), std::move(stream), *this);
}

void Http2Connection::start() {
  const auto self = shared_from_this();
  if (core_->draining) {
    drain();
  }
  if (const auto upgraded = find(kUpgraded)) {
    begin(kUpgraded, *upgraded);
  }
  if (wire_) {
    take_input();
  }
}

void Http2Connection::drain() {
  if (!wire_) {
    return;
  }
  codec_.announce_end();
  wire_->drain_timer.start(core_->limits.drain_idle, [this] {
    codec_.refuse_new();
    send_soon();
  });
  send_soon();
}

void Http2Connection::fail() {
  if (!wire_) {
    return;
  }
  const auto self = shared_from_this();
  close();
  finish_all();
}

void Http2Connection::close() {
  const auto self = shared_from_this();
  wire_.reset();
  core_->remove(self);
}

std::shared_ptr<Http2Connection::Stream> Http2Connection::find(RequestNumber request) const {
  const auto at = streams_.find(static_cast<StreamId>(request));
  return at == streams_.end() || at->second->is_closed ? nullptr : at->second;
}

// ---- what comes

void Http2Connection::on_input(net::Stream::Input input) {
  const auto self = shared_from_this();
  // Whoever speaks HTTP/2 must go on speaking to be answered: the end of one side is the end.
  if (input != net::Stream::Input::More) {
    return fail();
  }
  if (lingering_) {
    throw_away_input();
  } else {
    take_input();
  }
}

/// Takes all that has come, and then tells of it. So a body that has come with its head is there when the handler
/// looks, and what was broken off at once never reaches it.
void Http2Connection::take_input() {
  const std::string_view input = wire_->stream.input();
  codec_.receive(input, Clock::now());
  const auto events = absorb_events();
  wire_->stream.consume(input.size());
  tell_all(events);
  if (wire_) {
    send_soon();
    listen();
  }
}

std::vector<Http2Codec::Event> Http2Connection::absorb_events() {
  auto events = codec_.take_events();
  for (auto& event : events) {
    absorb(event);
  }
  return events;
}

void Http2Connection::tell_all(const std::vector<Http2Codec::Event>& events) {
  for (const auto& event : events) {
    if (!wire_) {
      return;
    }
    tell(event);
  }
}

void Http2Connection::absorb(Http2Codec::Event& event) {
  if (event.kind == Http2Codec::Event::Kind::Head) {
    const auto stream = std::make_shared<Stream>(*core_);
    stream->length = event.request->length;
    stream->waits_for_100 = event.request->expectation == Expectation::Continue;
    stream->is_head_request = event.request->head.method == "HEAD";
    stream->request = std::move(event.request);
    streams_.emplace(event.stream, stream);
    return;
  }
  const auto at = streams_.find(event.stream);
  if (at == streams_.end()) {
    return;
  }
  Stream& stream = *at->second;
  switch (event.kind) {
    case Http2Codec::Event::Kind::Head:
      break;
    case Http2Codec::Event::Kind::Body:
      stream.waits_for_100 = false;  // it did not wait
      if (stream.is_dropped) {
        codec_.consume(event.stream, event.body.size());
      } else {
        stream.received += event.body;
      }
      break;
    case Http2Codec::Event::Kind::End:
      stream.is_complete = true;
      stream.trailers = std::move(event.trailers);
      break;
    case Http2Codec::Event::Kind::Closed:
      stream.is_closed = true;
      stream.is_answered = event.answered;
      break;
  }
}

void Http2Connection::tell(const Http2Codec::Event& event) {
  if (event.kind == Http2Codec::Event::Kind::Closed) {
    return finish(event.stream);
  }
  const auto stream = find(event.stream);
  if (!stream) {
    return;
  }
  if (event.kind == Http2Codec::Event::Kind::Head) {
    begin(event.stream, *stream);
  } else {
    deliver(event.stream, *stream);
  }
}

void Http2Connection::begin(StreamId id, Stream& stream) {
  const auto request = std::move(stream.request);
  if (request->reason != Reason::Ok) {
    return respond(id, core_->refusal_page(request->reason, request->detail));
  }
  if (request->expectation == Expectation::Other) {
    Response page = core_->refusal_page(Reason::BadRequest, "Unknown expectation");
    page.status = 417;
    return respond(id, std::move(page));
  }
  stream.has_exchange = true;
  core_->handler(make_exchange(shared_from_this(), id, std::move(request->head)));
}

/// Nothing more comes or goes on a stream.
void Http2Connection::finish(StreamId id) {
  auto node = streams_.extract(id);
  if (!node) {
    return;
  }
  const auto stream = std::move(node.mapped());
  stream->is_closed = true;
  stream->answer_wait.end();
  if (!stream->is_answered) {
    if (stream->has_exchange) {
      gone_.insert(id);
    }
    if (const auto listener = std::exchange(stream->abandoned, nullptr)) {
      listener();
    }
  }
  give(id, *stream, peer_has_gone());
}

void Http2Connection::finish_all() {
  while (!streams_.empty()) {
    finish(streams_.begin()->first);
  }
}

// ---- bodies of requests

std::unique_ptr<BodySource> Http2Connection::take_body(RequestNumber request) {
  const auto stream = find(request);
  return make_request_body(shared_from_this(), request, stream ? stream->length : std::nullopt);
}

std::optional<std::string> Http2Connection::take_ready_body(RequestNumber request) {
  const auto stream = find(request);
  if (!stream || !stream->is_complete) {
    return std::nullopt;
  }
  codec_.consume(static_cast<StreamId>(request), stream->received.size());
  send_soon();
  return std::move(stream->received);
}

void Http2Connection::read_body(RequestNumber request, BodySource::OnChunk on_chunk) {
  const auto stream = find(request);
  if (!stream || !wire_) {
    return on_chunk(peer_has_gone());
  }
  stream->reader = std::move(on_chunk);
  deliver(static_cast<StreamId>(request), *stream);
}

void Http2Connection::deliver(StreamId id, Stream& stream) {
  if (!stream.reader) {
    return;
  }
  if (stream.is_complete || !stream.received.empty()) {
    BodySource::Chunk chunk{std::move(stream.received), stream.is_complete};
    stream.received.clear();
    return give(id, stream, std::move(chunk));
  }
  stream.body_wait.begin([this, id] {
    if (const auto slow = find(id)) {
      const auto self = shared_from_this();
      give(id, *slow, core_->too_slow());
    }
  });
  if (std::exchange(stream.waits_for_100, false) && !stream.has_answer) {
    codec_.invite(id);
    send_soon();
  }
}

void Http2Connection::give(StreamId id, Stream& stream, Result<BodySource::Chunk> chunk) {
  const auto reader = std::exchange(stream.reader, nullptr);
  stream.body_wait.end();
  if (!reader) {
    return;
  }
  if (chunk) {
    stream.body_wait.moved(chunk->bytes.size());
    codec_.consume(id, chunk->bytes.size());
    send_soon();
  }
  reader(std::move(chunk));
}

void Http2Connection::drop_body(RequestNumber request) {
  if (const auto stream = find(request)) {
    stream->is_dropped = true;
    stream->reader = nullptr;
    stream->body_wait.end();
    codec_.consume(static_cast<StreamId>(request), stream->received.size());
    stream->received = {};
    send_soon();
  }
}

Fields Http2Connection::take_trailers(RequestNumber request) {
  const auto stream = find(request);
  return stream ? std::move(stream->trailers) : Fields();
}

// ---- answers

void Http2Connection::respond(RequestNumber request, Response response) {
  const auto stream = find(request);
  if (!stream || !wire_ || std::exchange(stream->has_answer, true)) {
    return;
  }
  if (response.status < 200 || response.status > 599) {
    response = core_->refusal_page(Reason::Internal, {});
  }
  const BodyFraming framing =
      frame_body(response.status, response.body.get(), stream->is_head_request, BodyFraming::Kind::Chunked);
  const bool has_body =
      framing.kind == BodyFraming::Kind::Chunked || (framing.kind == BodyFraming::Kind::Length && framing.length != 0);
  const bool has_trailers = response.trailers && !stream->is_head_request;
  codec_.respond(static_cast<StreamId>(request), response.status, response.fields, framing,
                 core_->date.at(std::time(nullptr)), has_body || has_trailers);
  stream->body = has_body ? std::move(response.body) : nullptr;
  stream->left = framing.length;
  stream->answer_trailers = has_trailers ? std::move(response.trailers) : nullptr;
  send_soon();
}

void Http2Connection::on_abandoned(RequestNumber request, std::function<void()> listener) {
  if (gone_.contains(static_cast<StreamId>(request))) {
    listener();
  } else if (const auto stream = find(request)) {
    stream->abandoned = std::move(listener);
  }
}

void Http2Connection::drop_exchange(RequestNumber request) {
  gone_.erase(static_cast<StreamId>(request));
  if (const auto stream = find(request)) {
    stream->has_exchange = false;
    if (!stream->has_answer) {
      stream->abandoned = nullptr;
      respond(request, core_->refusal_page(Reason::Internal, {}));
    }
  }
}

/// With what else this turn of the loop brings.
void Http2Connection::send_soon() {
  if (wire_ && !pumping_ && !lingering_ && !wire_->pump.started()) {
    wire_->pump.start([this] { pump(); });
  }
}

void Http2Connection::on_writable() {
  const auto self = shared_from_this();
  if (!lingering_) {
    pump();
  }
}

/// Sends what there is to be sent, and pulls what there is room for.
void Http2Connection::pump() {
  const auto self = shared_from_this();
  pumping_ = true;
  bool all_sent = false;
  for (std::size_t sent = 0; wire_;) {
    if (sent >= net::Stream::kMostAtOnce && !out_.empty()) {
      await_room();  // the socket may be too full to be called writable, though it took all
      break;
    }
    if (!flush()) {
      break;
    }
    all_sent = codec_.write(out_, kOutput, Clock::now());
    sent += out_.size();
    if (!feed_hungry() && all_sent && out_.empty()) {
      break;
    }
  }
  pumping_ = false;
  if (wire_) {
    tell_all(absorb_events());
  }
  if (!wire_) {
    return;
  }
  bill_readers(all_sent);
  if (codec_.is_done()) {
    finish_all();
    if (wire_ && out_.empty()) {
      linger();
    }
    return;
  }
  if (streams_.empty() && out_.empty() && out_.capacity() > kIdleOutput) {
    out_ = {};
  }
  arm();
}

/// \return whether all that was made ready has been sent
bool Http2Connection::flush() {
  if (out_.empty()) {
    return true;
  }
  const std::array<std::string_view, 1> rest{std::string_view(out_).substr(written_)};
  const auto taken = wire_->stream.write(rest);
  wire_->socket_wait.end();
  if (!taken) {
    fail();
    return false;
  }
  wire_->socket_wait.moved(*taken);
  written_ += *taken;
  if (written_ < out_.size()) {
    await_room();
    return false;
  }
  out_.clear();
  written_ = 0;
  return true;
}

void Http2Connection::await_room() {
  wire_->socket_wait.begin([this] {
    wire_->stream.abort();
    fail();
  });
  wire_->stream.wait_writable();
}

/// \return whether there is more to be sent now
bool Http2Connection::feed_hungry() {
  has_fed_ = false;
  for (const StreamId id : codec_.take_hungry()) {
    const auto stream = find(id);
    if (!stream) {
      continue;
    }
    if (!stream->body) {
      take_piece(id, BodySource::Chunk{"", true});
      continue;
    }
    stream->body->read([this, id](Result<BodySource::Chunk> chunk) { take_piece(id, std::move(chunk)); });
    if (!wire_) {
      return false;
    }
  }
  return has_fed_;
}

void Http2Connection::take_piece(StreamId id, Result<BodySource::Chunk> chunk) {
  const auto stream = find(id);
  if (!stream) {
    return;
  }
  if (!chunk || !fits(*stream, *chunk)) {
    codec_.reset(id, Http2Error::Internal);  // so that the peer cannot take a part for the whole
  } else {
    const bool has_trailers = chunk->last && stream->answer_trailers;
    codec_.give(id, std::move(chunk->bytes), chunk->last, has_trailers ? stream->answer_trailers() : Fields());
  }
  has_fed_ = true;
  send_soon();
}

/// \return false when the body is not what was announced
bool Http2Connection::fits(Stream& stream, const BodySource::Chunk& chunk) {
  if (!stream.left || !stream.body) {
    return true;
  }
  if (chunk.bytes.size() > *stream.left) {
    return false;
  }
  *stream.left -= chunk.bytes.size();
  return !chunk.last || *stream.left == 0;
}

/// Bills peers for the time that only their windows keep an answer back.
void Http2Connection::bill_readers(bool all_sent) {
  for (const auto& [id, stream] : streams_) {
    if (!stream->has_answer) {
      continue;
    }
    if (const std::uint64_t sent = codec_.sent(id); sent != stream->sent) {
      stream->answer_wait.end();
      stream->answer_wait.moved(sent - stream->sent);
      stream->sent = sent;
    }
    if (all_sent && codec_.has_unsent(id)) {
      stream->answer_wait.begin([this, slow = id] {
        codec_.reset(slow, Http2Error::Cancel);
        send_soon();
      });
    }
  }
}

// ---- time, and the end

void Http2Connection::arm() {
  const Awaits now_awaits = codec_.awaits_start() || codec_.awaits_fields() ? Awaits::Fields
                            : streams_.empty()                              ? Awaits::Request
                                                                            : Awaits::Nothing;
  if (now_awaits == awaits_ && codec_.fields_begun() == awaited_fields_) {
    return;
  }
  awaits_ = now_awaits;
  awaited_fields_ = codec_.fields_begun();
  if (awaits_ == Awaits::Nothing) {
    wire_->timer.cancel();
  } else {
    start_timer(awaits_ == Awaits::Fields ? core_->limits.head_timeout : core_->limits.keep_alive);
  }
}

void Http2Connection::start_timer(Duration after) {
  wire_->timer.start(after, [this] { on_time(); });
}

void Http2Connection::on_time() {
  const auto self = shared_from_this();
  if (lingering_) {
    return close();
  }
  if (awaits_ == Awaits::Fields) {
    codec_.end(Http2Error::EnhanceYourCalm);
  } else if (!wire_->drain_timer.running()) {
    drain();  // a request may be on its way
  }
  send_soon();
}

/// Keeps a read under way: it brings the next frames, and the news that the peer has gone.
void Http2Connection::listen() {
  wire_->stream.receive(streams_.empty() || lingering_ ? kIdleBuffer : kBuffer);
}

void Http2Connection::linger() {
  lingering_ = true;
  wire_->stream.shutdown_send();
  linger_.begin(core_->limits.linger);
  throw_away_input();
}

void Http2Connection::throw_away_input() {
  const auto wait = linger_.throw_away(wire_->stream);
  if (!wait) {
    return close();
  }
  start_timer(*wait);
  listen();
}

}  // namespace trilby::http
