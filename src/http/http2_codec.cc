#include "http/http2_codec.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <new>
#include <tuple>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>
#include <nghttp2/nghttp2.h>

#include "base/text.h"
#include "http/allowance.h"
#include "http/base64url.h"
#include "http/characters.h"
#include "http/field_kind.h"
#include "http/http2_frames.h"
#include "http/target.h"

namespace trilby::http {
namespace {

constexpr std::size_t kUsualFields = 16;
constexpr std::size_t kFieldOverhead = 32;  // RFC 9113 section 6.5.2
constexpr std::size_t kMaxMethod = 32;      // no method is longer than 17 bytes (RFC 9110 section 16.1)
// A head so many times over its limits is an attack, and not answered.
constexpr std::size_t kTooMuch = 8;
constexpr unsigned kContinuations = 8;  // of one head
constexpr std::size_t kQueuedAcks = 100;
constexpr std::size_t kSettingsInOne = 32;
// What a SETTINGS frame counts for among the chatter: it may make every stream be looked at.
constexpr std::uint32_t kCostOfSettings = 20;
// A request, and so many bytes of answers, earn one frame of chatter each: windows are opened for them.
constexpr double kChatterForRequest = 4;
constexpr double kBytesForChatter = 1024;
constexpr std::uint32_t kMostPadding = 256;  // of a frame, and its length

/// A struct of nghttp2's whose fields must stay where they are until it has been submitted.
nghttp2_nv name_value(std::string_view name, std::string_view value) {
  return {.name = reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
          .value = reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())),
          .namelen = name.size(),
          .valuelen = value.size(),
          .flags = NGHTTP2_NV_FLAG_NONE};
}

/// Fields on their way out, in lower case. Threading: none of its own.
class OutgoingFields {
 public:
  void begin(std::size_t name_bytes) {
    names_.clear();
    names_.reserve(name_bytes);  // so that nothing moves
    fields_.clear();
  }
  void add(std::string_view name, std::string_view value) { fields_.push_back(name_value(name, value)); }
  void add_all(const Fields& fields) {
    for (const Field& field : fields) {
      if (may_be_sent(field)) {
        const std::size_t begin = names_.size();
        names_ += ascii_lower(field.name);
        add(std::string_view(names_).substr(begin), trimmed(field.value));  // HTTP/2 allows nothing around it
      }
    }
  }
  [[nodiscard]] static std::size_t name_bytes(const Fields& fields) {
    std::size_t size = 0;
    for (const Field& field : fields) {
      size += field.name.size();
    }
    return size;
  }
  [[nodiscard]] const nghttp2_nv* data() const { return fields_.data(); }
  [[nodiscard]] std::size_t size() const { return fields_.size(); }

 private:
  std::string names_;
  std::vector<nghttp2_nv> fields_;
};

struct OptionDeleter {
  void operator()(nghttp2_option* option) const { nghttp2_option_del(option); }
};
struct CallbacksDeleter {
  void operator()(nghttp2_session_callbacks* callbacks) const { nghttp2_session_callbacks_del(callbacks); }
};
struct SessionDeleter {
  void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
};

/// nghttp2 fails in these calls only for want of memory.
void need(int result) {
  if (result != 0) {
    throw std::bad_alloc();
  }
}

std::int32_t id_of(StreamId stream) {
  return static_cast<std::int32_t>(stream);
}

}  // namespace

struct Http2Codec::Impl {
  struct Stream {
    // The head, until it is handed on.
    std::unique_ptr<Http2Request> request = std::make_unique<Http2Request>();
    std::string authority;
    std::string scheme;
    bool in_trailers = false;
    Fields trailers;
    std::size_t head_bytes = 0;
    std::uint32_t field_count = 0;
    std::uint64_t announced = 0;
    bool has_length = false;

    bool is_open = false;      // its head was handed on
    bool is_complete = false;  // the request is
    bool has_answer = false;   // one was given
    bool is_answered = false;  // it has gone out
    bool is_reset_here = false;
    std::size_t unread = 0;  // of the body

    // The answer's body: what follows `used` of `piece` is to be sent.
    std::string piece;
    std::size_t used = 0;
    std::uint64_t sent = 0;
    bool is_last = false;
    bool is_hungry = false;  // and that was said
    Fields answer_trailers;
  };

  explicit Impl(const Http2Limits& given);

  static const nghttp2_session_callbacks& callbacks();
  static Impl& of(void* user) { return *static_cast<Impl*>(user); }
  [[nodiscard]] Stream* find(StreamId id) {
    const auto at = streams.find(id);
    return at == streams.end() ? nullptr : &at->second;
  }
  /// A stream that still can be spoken to.
  [[nodiscard]] Stream* live(StreamId id) {
    Stream* stream = is_dead ? nullptr : find(id);
    return stream == nullptr || stream->is_reset_here ? nullptr : stream;
  }

  // What nghttp2 tells.
  void on_begin_headers(const nghttp2_frame& frame);
  int on_header(const nghttp2_frame& frame, std::string_view name, std::string_view value);
  int on_frame(const nghttp2_frame& frame);
  void on_data(StreamId id, std::string_view bytes);
  int on_sent(const nghttp2_frame& frame);
  int on_close(StreamId id);
  ssize_t on_read(StreamId id, std::uint8_t* to, std::size_t room, std::uint32_t& flags);

  Stream& add_stream(StreamId id);
  [[nodiscard]] static bool is_free(const FrameHead& frame);
  [[nodiscard]] bool may_come(const FrameHead& frame);
  void take_field(Stream& stream, std::string_view name, std::string_view value);
  void take_pseudo(Stream& stream, std::string_view name, std::string_view value);
  void finish_head(Stream& stream);
  static std::string_view check_head(Stream& stream);
  static void refuse(Stream& stream, Reason reason, std::string_view detail);
  void end_of_request(StreamId id, Stream& stream);
  void reset(StreamId id, Stream& stream, Http2Error why);
  void feed(std::string_view input);
  void die(Http2Error why);

  const Http2Limits limits;
  std::unique_ptr<nghttp2_session, SessionDeleter> session;
  std::unordered_map<StreamId, Stream> streams;  // those that nghttp2 knows
  FrameScanner scanner;
  Allowance resets;
  Allowance chatter;
  Clock::time_point now;
  std::size_t all_heads = 0;
  unsigned continuations = 0;  // of the head under way
  std::vector<Event> events;
  std::vector<StreamId> hungry;
  OutgoingFields outgoing;
  bool is_dead = false;    // nghttp2 is not asked any more
  std::string last_words;  // that are to be sent all the same
};

// ---- requests

Http2Codec::Impl::Stream& Http2Codec::Impl::add_stream(StreamId id) {
  // Streams take turns, whatever the peer would have.
  const nghttp2_extpri in_turns{.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};
  need(nghttp2_session_change_extpri_stream_priority(session.get(), id_of(id), &in_turns, 1));
  return streams[id];
}

void Http2Codec::Impl::on_begin_headers(const nghttp2_frame& frame) {
  const auto id = static_cast<StreamId>(frame.hd.stream_id);
  if (frame.headers.cat == NGHTTP2_HCAT_REQUEST) {
    add_stream(id);
  } else if (Stream* stream = find(id)) {
    stream->in_trailers = true;
  }
}

/// \return an nghttp2 error that is the end of the connection, when that is too much
int Http2Codec::Impl::on_header(const nghttp2_frame& frame, std::string_view name, std::string_view value) {
  Stream* stream = find(static_cast<StreamId>(frame.hd.stream_id));
  if (stream == nullptr) {
    return 0;
  }
  const std::size_t size = name.size() + value.size() + kFieldOverhead;
  stream->head_bytes += size;
  all_heads += size;
  stream->field_count += name.starts_with(':') ? 0 : 1;
  if (stream->head_bytes > kTooMuch * limits.head_bytes || stream->field_count > kTooMuch * limits.fields) {
    return NGHTTP2_ERR_CALLBACK_FAILURE;
  }
  if (stream->is_reset_here) {
    return 0;
  }
  const bool is_too_much = stream->head_bytes > limits.head_bytes || stream->field_count > limits.fields;
  if (stream->in_trailers) {
    if (is_too_much) {
      reset(static_cast<StreamId>(frame.hd.stream_id), *stream, Http2Error::EnhanceYourCalm);
    } else {
      stream->trailers.add(std::string(name), std::string(value));
    }
    return 0;
  }
  if (stream->request->reason != Reason::Ok) {
    return 0;
  }
  if (is_too_much) {
    refuse(*stream, Reason::HeadTooLarge,
           stream->field_count > limits.fields ? "Too many header fields" : "The header fields are too large");
  } else if (all_heads > limits.all_heads) {
    reset(static_cast<StreamId>(frame.hd.stream_id), *stream, Http2Error::RefusedStream);
  } else if (name.starts_with(':')) {
    take_pseudo(*stream, name, value);
  } else {
    take_field(*stream, name, value);
  }
  return 0;
}

void Http2Codec::Impl::refuse(Stream& stream, Reason reason, std::string_view detail) {
  stream.request->reason = reason;
  stream.request->detail = detail;
  stream.request->head = {};
}

void Http2Codec::Impl::take_pseudo(Stream& stream, std::string_view name, std::string_view value) {
  RequestHead& head = stream.request->head;
  if (name == ":method") {
    head.method = value;
  } else if (name == ":path") {
    head.target = value;
  } else if (name == ":authority") {
    stream.authority = value;
  } else if (name == ":scheme") {
    stream.scheme = value;
  }
}

void Http2Codec::Impl::take_field(Stream& stream, std::string_view name, std::string_view value) {
  Http2Request& request = *stream.request;
  Fields& fields = request.head.fields;
  switch (kind_of(name)) {
    case FieldKind::Length:  // nghttp2 has seen to it that this is one number, and will to what follows
      stream.has_length = true;
      std::from_chars(value.data(), value.data() + value.size(), stream.announced);
      break;
    case FieldKind::Expect:
      request.expectation = equal_ignoring_case(value, "100-continue") && request.expectation != Expectation::Other
                                ? Expectation::Continue
                                : Expectation::Other;
      break;
    case FieldKind::Host:
    case FieldKind::Plain:
      fields.reserve(kUsualFields);
      if (const auto same = name == "cookie" ? std::find_if(fields.begin(), fields.end(),
                                                            [](const Field& field) { return field.name == "cookie"; })
                                             : fields.end();
          same != fields.end()) {
        std::string joined = same->value;
        joined.append("; ").append(value);
        fields.set("cookie", std::move(joined));
      } else {
        fields.add(std::string(name), std::string(value));
      }
      break;
    case FieldKind::Coding:
    case FieldKind::Connection:
    case FieldKind::HopByHop:  // "te: trailers", or nghttp2 would have refused it
      break;
  }
}

/// What is wrong with the head as a whole; empty: nothing.
std::string_view Http2Codec::Impl::check_head(Stream& stream) {
  RequestHead& head = stream.request->head;
  if (head.method == "CONNECT") {
    return "CONNECT is not served here";
  }
  if (head.method.size() > kMaxMethod || !consists_of(head.method, kToken)) {
    return "Invalid method";
  }
  if (stream.scheme != "http" && stream.scheme != "https") {
    return "Unsupported scheme";
  }
  if (!head.target.starts_with('/') && head.target != "*") {
    return "Invalid request target";
  }
  if (!reduce_target(head.target, head.method)) {
    return "Invalid request target";
  }
  const std::string* host = head.fields.find("host");
  if (!is_host(stream.authority) || (host != nullptr && !is_host(*host))) {
    return "Invalid Host";
  }
  if (host != nullptr && !stream.authority.empty() && !equal_ignoring_case(*host, stream.authority)) {
    return "Two hosts";
  }
  if (host == nullptr) {
    head.fields.add("host", std::move(stream.authority));
  }
  return {};
}

void Http2Codec::Impl::finish_head(Stream& stream) {
  if (stream.request->reason != Reason::Ok) {
    return;
  }
  if (const auto wrong = check_head(stream); !wrong.empty()) {
    refuse(stream, Reason::BadRequest, wrong);
  }
}

int Http2Codec::Impl::on_frame(const nghttp2_frame& frame) {
  const auto id = static_cast<StreamId>(frame.hd.stream_id);
  Stream* stream = find(id);
  if (stream == nullptr || stream->is_reset_here ||
      (frame.hd.type != NGHTTP2_HEADERS && frame.hd.type != NGHTTP2_DATA)) {
    return 0;
  }
  const bool is_end = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  if (frame.hd.type == NGHTTP2_HEADERS && !stream->is_open) {
    finish_head(*stream);
    stream->is_open = true;
    if (stream->has_length) {
      stream->request->length = stream->announced;
    } else if (!is_end) {
      stream->request->length = std::nullopt;
    }
    chatter.earn(kChatterForRequest);
    events.push_back({.kind = Event::Kind::Head, .stream = id, .request = std::move(stream->request)});
  }
  if (is_end) {
    end_of_request(id, *stream);
  }
  return 0;
}

void Http2Codec::Impl::end_of_request(StreamId id, Stream& stream) {
  stream.is_complete = true;
  events.push_back({.kind = Event::Kind::End, .stream = id, .trailers = std::move(stream.trailers)});
}

void Http2Codec::Impl::on_data(StreamId id, std::string_view bytes) {
  Stream* stream = find(id);
  if (stream == nullptr || stream->is_reset_here) {
    need(nghttp2_session_consume_connection(session.get(), bytes.size()));
    return;
  }
  stream->unread += bytes.size();
  events.push_back({.kind = Event::Kind::Body, .stream = id, .body = bytes});
}

/// \return an nghttp2 error that is the end of the connection, when the peer breaks off too many
int Http2Codec::Impl::on_close(StreamId id) {
  const auto at = streams.find(id);
  if (at == streams.end()) {
    return 0;
  }
  const Stream& stream = at->second;
  need(nghttp2_session_consume_connection(session.get(), stream.unread));
  all_heads -= std::min(all_heads, stream.head_bytes);
  const bool is_broken_off = !stream.is_answered && !stream.is_reset_here;
  if (stream.is_open) {
    events.push_back({.kind = Event::Kind::Closed, .stream = id, .answered = stream.is_answered});
  }
  streams.erase(at);
  return is_broken_off && !resets.spend(1, now) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/// Whether a frame counts for nothing: it moves a body, or ends one.
bool Http2Codec::Impl::is_free(const FrameHead& frame) {
  const bool may_be_padding = (frame.flags & kPaddedFlag) != 0 && frame.length <= kMostPadding;
  return frame.type == FrameType::Data &&
         ((frame.flags & kEndStreamFlag) != 0 || (frame.length > 0 && !may_be_padding));
}

/// Counts a frame, before nghttp2 sees it: it does not tell of those that it ignores.
bool Http2Codec::Impl::may_come(const FrameHead& frame) {
  if (frame.type == FrameType::Headers) {
    continuations = 0;
  } else if (frame.type == FrameType::Continuation && ++continuations > kContinuations) {
    return false;
  }
  const bool is_settings = frame.type == FrameType::Settings && (frame.flags & kAckFlag) == 0;
  return chatter.spend(is_settings ? kCostOfSettings : 1, now);
}

void Http2Codec::Impl::feed(std::string_view input) {
  if (is_dead || input.empty()) {
    return;
  }
  const ssize_t used =
      nghttp2_session_mem_recv(session.get(), reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
  if (used >= 0) {
    return;
  }
  const bool is_flood =
      used == NGHTTP2_ERR_FLOODED || used == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS || used == NGHTTP2_ERR_CALLBACK_FAILURE;
  die(is_flood ? Http2Error::EnhanceYourCalm : Http2Error::Protocol);
}

/// After a fatal error nghttp2 must not be asked for anything, so this GOAWAY is made by hand.
void Http2Codec::Impl::die(Http2Error why) {
  if (std::exchange(is_dead, true)) {
    return;
  }
  const auto last = static_cast<std::uint32_t>(nghttp2_session_get_last_proc_stream_id(session.get()));
  const auto code = static_cast<std::uint32_t>(why);
  last_words = {0, 0, 8, static_cast<char>(FrameType::GoAway), 0, 0, 0, 0, 0};
  for (const std::uint32_t number : {last, code}) {
    for (const unsigned shift : {24U, 16U, 8U, 0U}) {
      last_words.push_back(static_cast<char>((number >> shift) & 0xffU));
    }
  }
}

// ---- answers

int Http2Codec::Impl::on_sent(const nghttp2_frame& frame) {
  const bool is_message = frame.hd.type == NGHTTP2_HEADERS || frame.hd.type == NGHTTP2_DATA;
  if (!is_message || (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) {
    return 0;
  }
  const auto id = static_cast<StreamId>(frame.hd.stream_id);
  Stream* stream = find(id);
  if (stream == nullptr) {
    return 0;
  }
  stream->is_answered = true;
  if (!stream->is_complete) {
    // Nobody wants the rest of the request (RFC 9113 section 8.1).
    reset(id, *stream, Http2Error::None);
  }
  return 0;
}

void Http2Codec::Impl::reset(StreamId id, Stream& stream, Http2Error why) {
  stream.is_reset_here = true;
  need(nghttp2_submit_rst_stream(session.get(), NGHTTP2_FLAG_NONE, id_of(id), static_cast<std::uint32_t>(why)));
}

ssize_t Http2Codec::Impl::on_read(StreamId id, std::uint8_t* to, std::size_t room, std::uint32_t& flags) {
  Stream* stream = find(id);
  if (stream == nullptr) {
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
  const std::size_t size = std::min(room, stream->piece.size() - stream->used);
  if (size == 0 && !stream->is_last) {
    if (!std::exchange(stream->is_hungry, true)) {
      hungry.push_back(id);
    }
    return NGHTTP2_ERR_DEFERRED;
  }
  std::copy_n(stream->piece.data() + stream->used, size, to);
  stream->used += size;
  stream->sent += size;
  chatter.earn(static_cast<double>(size) / kBytesForChatter);
  if (stream->used == stream->piece.size()) {
    stream->piece = {};
    stream->used = 0;
    if (stream->is_last) {
      flags |= NGHTTP2_DATA_FLAG_EOF;
      outgoing.begin(OutgoingFields::name_bytes(stream->answer_trailers));
      outgoing.add_all(stream->answer_trailers);
      if (outgoing.size() > 0) {
        flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        need(nghttp2_submit_trailer(session.get(), id_of(id), outgoing.data(), outgoing.size()));
      }
    }
  }
  return static_cast<ssize_t>(size);
}

// ---- nghttp2

const nghttp2_session_callbacks& Http2Codec::Impl::callbacks() {
  static const std::unique_ptr<nghttp2_session_callbacks, CallbacksDeleter> kCallbacks = [] {
    nghttp2_session_callbacks* made = nullptr;
    need(nghttp2_session_callbacks_new(&made));
    nghttp2_session_callbacks_set_on_begin_headers_callback(
        made, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
          of(user).on_begin_headers(*frame);
          return 0;
        });
    nghttp2_session_callbacks_set_on_header_callback(
        made, [](nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                 const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
          return of(user).on_header(*frame, {reinterpret_cast<const char*>(name), name_size},
                                    {reinterpret_cast<const char*>(value), value_size});
        });
    // A field that is malformed makes its request so; nghttp2 would leave it out.
    nghttp2_session_callbacks_set_on_invalid_header_callback(
        made,
        [](nghttp2_session*, const nghttp2_frame*, const std::uint8_t*, std::size_t, const std::uint8_t*, std::size_t,
           std::uint8_t, void*) -> int { return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        made, [](nghttp2_session*, const nghttp2_frame* frame, void* user) { return of(user).on_frame(*frame); });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        made, [](nghttp2_session*, std::uint8_t, std::int32_t stream, const std::uint8_t* data, std::size_t size,
                 void* user) {
          of(user).on_data(static_cast<StreamId>(stream), {reinterpret_cast<const char*>(data), size});
          return 0;
        });
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(
        made, [](nghttp2_session*, const nghttp2_frame* frame, int error, void* user) -> int {
          // One stream more than may be: nghttp2 refuses it, and opens none that could be counted when it closes.
          const bool is_refused = frame->hd.type == NGHTTP2_HEADERS && error == NGHTTP2_ERR_REFUSED_STREAM;
          return is_refused && !of(user).resets.spend(1, of(user).now) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
        });
    nghttp2_session_callbacks_set_on_frame_send_callback(
        made, [](nghttp2_session*, const nghttp2_frame* frame, void* user) { return of(user).on_sent(*frame); });
    nghttp2_session_callbacks_set_on_frame_not_send_callback(
        made, [](nghttp2_session*, const nghttp2_frame* frame, int, void* user) {
          // A head that is larger than nghttp2 sends: without this the stream would wait for ever.
          const auto id = static_cast<StreamId>(frame->hd.stream_id);
          if (Stream* stream = frame->hd.type == NGHTTP2_HEADERS ? of(user).live(id) : nullptr) {
            of(user).reset(id, *stream, Http2Error::Internal);
          }
          return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        made, [](nghttp2_session*, std::int32_t stream, std::uint32_t, void* user) {
          return of(user).on_close(static_cast<StreamId>(stream));
        });
    return std::unique_ptr<nghttp2_session_callbacks, CallbacksDeleter>(made);
  }();
  return *kCallbacks;
}

Http2Codec::Impl::Impl(const Http2Limits& given)
    : limits(given), resets(given.resets, given.resets_per_second), chatter(given.chatter, given.chatter_per_second) {
  nghttp2_option* made_option = nullptr;
  need(nghttp2_option_new(&made_option));
  const std::unique_ptr<nghttp2_option, OptionDeleter> option(made_option);
  nghttp2_option_set_no_auto_window_update(option.get(), 1);
  nghttp2_option_set_no_closed_streams(option.get(), 1);
  nghttp2_option_set_max_outbound_ack(option.get(), kQueuedAcks);
  nghttp2_option_set_max_settings(option.get(), kSettingsInOne);
  // These are counted here: nghttp2 takes each part of a head that comes in parts for a CONTINUATION of its own.
  nghttp2_option_set_max_continuations(option.get(), UINT32_MAX);
  // Resets are counted here, with those that the peer provokes, and by the time that is passed in.
  nghttp2_option_set_stream_reset_rate_limit(option.get(), UINT32_MAX, UINT32_MAX);
  nghttp2_session* made = nullptr;
  need(nghttp2_session_server_new2(&made, &callbacks(), this, option.get()));
  session.reset(made);
  const std::array<nghttp2_settings_entry, 4> settings{{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.streams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.stream_window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(limits.head_bytes)},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  }};
  need(nghttp2_submit_settings(session.get(), NGHTTP2_FLAG_NONE, settings.data(), settings.size()));
  need(nghttp2_session_set_local_window_size(session.get(), NGHTTP2_FLAG_NONE, 0,
                                             static_cast<std::int32_t>(limits.window)));
}

// ---- the interface

Http2Codec::Http2Codec(const Http2Limits& limits) : impl_(std::make_unique<Impl>(limits)) {}
Http2Codec::~Http2Codec() = default;

bool Http2Codec::upgrade(std::string_view settings, bool is_head_request) {
  const auto payload = decode_base64url(settings);
  if (!payload || nghttp2_session_upgrade2(impl_->session.get(), reinterpret_cast<const std::uint8_t*>(payload->data()),
                                           payload->size(), is_head_request ? 1 : 0, nullptr) != 0) {
    return false;
  }
  Impl::Stream& stream = impl_->add_stream(1);
  stream.is_open = stream.is_complete = true;
  return true;
}

void Http2Codec::receive(std::string_view input, Clock::time_point now) {
  impl_->now = now;
  std::size_t fed = 0;
  for (std::size_t at = 0; !impl_->is_dead;) {
    const auto frame = impl_->scanner.next(input, at);
    if (!frame) {
      return impl_->feed(input.substr(fed));
    }
    if (Impl::is_free(*frame)) {
      continue;
    }
    // What came before may have earned something. The last byte of the head keeps nghttp2 from taking the frame.
    impl_->feed(input.substr(fed, at - 1 - fed));
    fed = at - 1;
    if (!impl_->may_come(*frame)) {
      impl_->die(Http2Error::EnhanceYourCalm);
    }
  }
}

std::vector<Http2Codec::Event> Http2Codec::take_events() {
  return std::exchange(impl_->events, {});
}

bool Http2Codec::write(std::string& out, std::size_t enough, Clock::time_point now) {
  impl_->now = now;
  while (!impl_->is_dead) {
    if (out.size() >= enough) {
      return false;
    }
    const std::uint8_t* bytes = nullptr;
    const ssize_t size = nghttp2_session_mem_send(impl_->session.get(), &bytes);
    if (size == 0) {
      return true;
    }
    if (size < 0) {
      impl_->die(size == NGHTTP2_ERR_CALLBACK_FAILURE ? Http2Error::EnhanceYourCalm : Http2Error::Internal);
    } else {
      out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
    }
  }
  out += std::exchange(impl_->last_words, {});
  return true;
}

std::vector<StreamId> Http2Codec::take_hungry() {
  return std::exchange(impl_->hungry, {});
}

void Http2Codec::invite(StreamId stream) {
  if (Impl::Stream* live = impl_->live(stream); live != nullptr && !live->has_answer) {
    const nghttp2_nv status = name_value(":status", "100");
    need(nghttp2_submit_headers(impl_->session.get(), NGHTTP2_FLAG_NONE, id_of(stream), nullptr, &status, 1, nullptr) <
                 0
             ? NGHTTP2_ERR_NOMEM
             : 0);
  }
}

void Http2Codec::respond(StreamId stream, int status, const Fields& fields, const BodyFraming& framing,
                         std::string_view date, bool has_content) {
  Impl::Stream* live = impl_->live(stream);
  if (live == nullptr || std::exchange(live->has_answer, true)) {
    return;
  }
  const auto status_text = fmt::format_int(status);
  const auto length_text = fmt::format_int(framing.length.value_or(0));
  OutgoingFields& outgoing = impl_->outgoing;
  outgoing.begin(OutgoingFields::name_bytes(fields));
  outgoing.add(":status", {status_text.data(), status_text.size()});
  outgoing.add_all(fields);
  outgoing.add("date", date);
  if (framing.length) {
    outgoing.add("content-length", {length_text.data(), length_text.size()});
  }
  nghttp2_data_provider provider{};
  provider.read_callback = [](nghttp2_session*, std::int32_t id, std::uint8_t* to, std::size_t room,
                              std::uint32_t* flags, nghttp2_data_source*, void* user) {
    return Impl::of(user).on_read(static_cast<StreamId>(id), to, room, *flags);
  };
  need(nghttp2_submit_response(impl_->session.get(), id_of(stream), outgoing.data(), outgoing.size(),
                               has_content ? &provider : nullptr));
}

void Http2Codec::give(StreamId stream, std::string bytes, bool last, const Fields& trailers) {
  Impl::Stream* live = impl_->live(stream);
  if (live == nullptr || live->is_last) {
    return;
  }
  live->piece = std::move(bytes);
  live->used = 0;
  live->is_last = last;
  live->answer_trailers = trailers;
  if (std::exchange(live->is_hungry, false)) {
    // Fails when there is nothing to resume: the stream is closing.
    std::ignore = nghttp2_session_resume_data(impl_->session.get(), id_of(stream));
  }
}

void Http2Codec::consume(StreamId stream, std::size_t bytes) {
  Impl::Stream* found = impl_->is_dead ? nullptr : impl_->find(stream);
  if (found == nullptr) {
    return;
  }
  const std::size_t size = std::min(bytes, found->unread);
  found->unread -= size;
  need(nghttp2_session_consume(impl_->session.get(), id_of(stream), size));
}

void Http2Codec::reset(StreamId stream, Http2Error why) {
  if (Impl::Stream* live = impl_->live(stream)) {
    impl_->reset(stream, *live, why);
  }
}

bool Http2Codec::has_unsent(StreamId stream) const {
  const Impl::Stream* found = impl_->find(stream);
  return found != nullptr && found->used < found->piece.size();
}

std::uint64_t Http2Codec::sent(StreamId stream) const {
  const Impl::Stream* found = impl_->find(stream);
  return found == nullptr ? 0 : found->sent;
}

void Http2Codec::announce_end() {
  if (!impl_->is_dead) {
    std::ignore = nghttp2_submit_shutdown_notice(impl_->session.get());  // fails when the end was said already
  }
}

void Http2Codec::refuse_new() {
  if (!impl_->is_dead) {
    need(nghttp2_submit_goaway(impl_->session.get(), NGHTTP2_FLAG_NONE,
                               nghttp2_session_get_last_proc_stream_id(impl_->session.get()), NGHTTP2_NO_ERROR, nullptr,
                               0));
  }
}

void Http2Codec::end(Http2Error why) {
  impl_->die(why);
}

bool Http2Codec::is_done() const {
  return impl_->is_dead || (nghttp2_session_want_read(impl_->session.get()) == 0 &&
                            nghttp2_session_want_write(impl_->session.get()) == 0);
}

bool Http2Codec::awaits_start() const {
  return impl_->scanner.in_preface();
}

std::uint64_t Http2Codec::fields_begun() const {
  return impl_->scanner.fields_begun();
}

bool Http2Codec::awaits_fields() const {
  return impl_->scanner.in_fields();
}

}  // namespace trilby::http
