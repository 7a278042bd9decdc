/// \file  HTTP/2 (RFC 9113) as a server speaks it: bytes in, events out; answers in, bytes out. Knows no sockets and no
/// clock. Private to http/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/reason.h"
#include "base/units.h"
#include "http/http1_codec.h"
#include "http/message.h"
#include "http/response_head.h"

namespace trilby::http {

using StreamId = std::uint32_t;

/// RFC 9113 section 7; those that are said here.
enum class Http2Error : std::uint32_t {
  None = 0,
  Protocol = 1,
  Internal = 2,
  RefusedStream = 7,
  Cancel = 8,
  EnhanceYourCalm = 11,
};

struct Http2Limits {
  std::size_t head_bytes = 32 * 1024;  ///< names and values of one request, and 32 for each (RFC 9113 section 6.5.2)
  std::uint32_t fields = 100;          ///< of one request
  std::uint32_t streams = 100;         ///< at a time
  std::size_t all_heads = 512 * 1024;  ///< bytes, as head_bytes, of all streams of a connection; more are put off
  std::uint32_t stream_window = 256 * 1024;  ///< bytes of one body that nobody has read
  std::uint32_t window = 1024 * 1024;        ///< of all bodies
  // What is over one of these is the end of the connection.
  std::uint32_t resets = 1000;            ///< streams that ended before their answer by the peer's doing
  std::uint32_t resets_per_second = 33;   ///< and so many more with time
  std::uint32_t chatter = 1000;           ///< frames that move no request and no body
  std::uint32_t chatter_per_second = 50;  ///< and so many more with time; what is sent earns some too
};

/// What a request says, or why it is refused.
struct Http2Request {
  RequestHead head;
  std::optional<std::uint64_t> length = 0;  ///< of the body; nothing when that is not known beforehand
  Expectation expectation = Expectation::None;
  Reason reason = Reason::Ok;  ///< BadRequest or HeadTooLarge: to be answered with that, and not to be served
  std::string_view detail;     ///< what is wrong, for the caller; static
};

/// One connection of HTTP/2. It holds to windows and limits and answers by itself what needs no one else (SETTINGS,
/// PING, malformed frames). Fields are checked as RFC 9113 section 8 has it; priorities of the peer are ignored.
/// Threading: none of its own. Memory: what the limits say of heads, and one piece of each answer; bodies of requests
/// are handed on as they come.
class Http2Codec {
 public:
  struct Event {
    enum class Kind : std::uint8_t {
      Head,    ///< a request: `request`. Its stream lives until Closed
      Body,    ///< `body`. Counts against the windows until consume()
      End,     ///< the request is complete; `trailers`
      Closed,  ///< nothing more of this stream, either way; `answered`: its answer has gone out whole
    };
    Kind kind;
    StreamId stream;
    std::string_view body{};  ///< lies in the input; never empty
    std::unique_ptr<Http2Request> request{};
    Fields trailers{};
    bool answered = false;
  };

  explicit Http2Codec(const Http2Limits& limits);
  ~Http2Codec();
  Http2Codec(const Http2Codec&) = delete;
  Http2Codec& operator=(const Http2Codec&) = delete;

  /// Takes up `Upgrade: h2c` (RFC 7540 section 3.2), before anything else: the request, which has no body, is stream 1,
  /// and half closed. It gives no Head and no End.
  /// \param settings  the HTTP2-Settings field. \return false when that is malformed: nothing has happened then
  [[nodiscard]] bool upgrade(std::string_view settings, bool is_head_request);

  /// Takes what the client sent, which begins with its preface. All of it is used. The same bytes give the same events
  /// however they are cut, but for the cuts between Body events.
  void receive(std::string_view input, Clock::time_point now);
  /// What has happened since it was last asked. Bodies lie in the input of the last receive().
  [[nodiscard]] std::vector<Event> take_events();

  /// Appends what is to be sent, until `out` has `enough` bytes. \return whether that was all that can be sent now
  bool write(std::string& out, std::size_t enough, Clock::time_point now);
  /// Streams whose answers have room to be sent, and no bytes. Each is named once, until it is given some.
  [[nodiscard]] std::vector<StreamId> take_hungry();

  // All of these do nothing for a stream that is closed.
  void invite(StreamId stream);  ///< 100 Continue
  /// Answers; once. Field names are put in lower case; those that must not be sent are left out, as in HTTP/1.1.
  /// \param has_content  bytes or trailers follow, by give()
  void respond(StreamId stream, int status, const Fields& fields, const BodyFraming& framing, std::string_view date,
               bool has_content);
  /// \param trailers  after the last bytes
  void give(StreamId stream, std::string bytes, bool last, const Fields& trailers);
  void consume(StreamId stream, std::size_t bytes);  ///< of Body events: the peer may send so much more
  void reset(StreamId stream, Http2Error why);

  /// Whether bytes of an answer wait for the peer's windows, once write() had nothing more to give.
  [[nodiscard]] bool has_unsent(StreamId stream) const;
  [[nodiscard]] std::uint64_t sent(StreamId stream) const;  ///< bytes of the answer's body so far

  /// Says that the end comes near, so that the peer begins no new requests; those that come are served.
  void announce_end();
  /// Nothing new is served from now on; what is under way goes on. The peer learns which came too late.
  void refuse_new();
  void end(Http2Error why);  ///< all of it, at once; only the reason is still sent

  [[nodiscard]] bool is_done() const;                ///< no stream is answered any more; what is left is to be sent
  [[nodiscard]] bool awaits_start() const;           ///< the preface and the first frame have not come whole
  [[nodiscard]] bool awaits_fields() const;          ///< a head, or trailers, have begun
  [[nodiscard]] std::uint64_t fields_begun() const;  ///< how many times they have

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace trilby::http
