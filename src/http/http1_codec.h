/// \file  HTTP/1.1 messages (RFC 9112): bytes in, events out. Knows no sockets and no clock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/reason.h"
#include "base/units.h"
#include "http/message.h"

namespace trilby::http {

enum class Expectation : std::uint8_t {
  None,
  Continue,  ///< 100-continue
  Other,     ///< something nobody knows
};

/// What the head of a message says, apart from the head itself.
struct Framing {
  /// Length of the body; 0 when there is none; nothing when it is chunked, or ends with the connection.
  std::optional<std::uint64_t> content_length = 0;
  bool until_close = false;  ///< the body ends with the connection; only of a response
  bool http_1_0 = false;
  bool keep_alive = false;                      ///< the peer means to go on with the connection; never with HTTP/1.0
  Expectation expectation = Expectation::None;  ///< of a request
};

struct ParserLimits {
  std::size_t head_bytes = 32 * 1024;  ///< first line and fields, and empty lines before them
  std::uint32_t fields = 100;
};

enum class ParserEvent : std::uint8_t {
  NeedMore,  ///< all input is used up
  Head,      ///< head() and framing() are there
  Body,      ///< body() is there
  End,       ///< the message is complete; what follows is another one
  Refused,   ///< reason() and detail() say why; nothing else will ever come
};

struct ParserStep {
  ParserEvent event;
  std::size_t used;  ///< bytes of the input that are done with
};

/// Reads requests, one after the other, and refuses whatever two parsers could understand differently: llhttp without
/// any of its lenient modes, and some checks of our own (RFC 9112 sections 3, 6 and 11).
/// Threading: none of its own. Cost: one parse of each byte; what it keeps of a head is bounded by the limits.
class RequestParser {
 public:
  using Limits = ParserLimits;
  using Event = ParserEvent;
  using Step = ParserStep;

  explicit RequestParser(Limits limits);
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  /// The next event in `input`, which begins where the last step ended. Every request gives one Head, any number of
  /// Body and one End, the same ones however its bytes were cut, but for the cuts between Body events. An End may come
  /// from empty input.
  [[nodiscard]] Step next(std::string_view input);

  [[nodiscard]] RequestHead& head();             ///< from Head to the next request; may be moved from
  [[nodiscard]] const Framing& framing() const;  ///< from Head to the next request
  /// HTTP2-Settings of a request that offers to go on in HTTP/2 (RFC 7540 section 3.2), unread; empty: it does not.
  [[nodiscard]] const std::string& h2c_settings() const;  ///< from Head to the next request
  [[nodiscard]] std::string_view body() const;            ///< lies in the input that gave the event; never empty
  [[nodiscard]] bool is_refused() const;
  [[nodiscard]] Reason reason() const;            ///< BadRequest or HeadTooLarge; Ok when not refused
  [[nodiscard]] std::string_view detail() const;  ///< what is wrong, for the caller; static
  [[nodiscard]] bool between_requests() const;    ///< no byte of the next request has come

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Reads the responses of one connection, one after the other, each to a request that was told with expect(). As strict
/// as RequestParser. Interim responses (1xx) are skipped, kMaxInterim of them for each request, whose heads share the
/// limit of the head that follows; one that changes the protocol (101) is refused, for nobody asks for that.
/// Threading: none of its own. Cost: one parse of each byte; what it keeps of a head is bounded by the limits.
class ResponseParser {
 public:
  using Limits = ParserLimits;
  using Event = ParserEvent;
  using Step = ParserStep;
  static constexpr std::uint32_t kMaxInterim = 8;

  explicit ResponseParser(Limits limits);
  ~ResponseParser();
  ResponseParser(const ResponseParser&) = delete;
  ResponseParser& operator=(const ResponseParser&) = delete;

  /// The next response answers a request of that method: what answers HEAD has no body. Between responses only. Input
  /// that comes before is refused.
  void expect(std::string_view method);
  /// The next event in `input`, as RequestParser's.
  [[nodiscard]] Step next(std::string_view input);
  /// There is no more input than was given. \return End for a body that ends with the connection; NeedMore when nothing
  ///         is missing, for nothing is under way; else Refused
  [[nodiscard]] Step end_of_input();

  [[nodiscard]] ResponseHead& head();            ///< from Head to the next response; may be moved from
  [[nodiscard]] const Framing& framing() const;  ///< from Head to the next response
  [[nodiscard]] std::string_view body() const;   ///< lies in the input that gave the event; never empty
  [[nodiscard]] bool is_refused() const;
  [[nodiscard]] Reason reason() const;            ///< UpstreamFailed; Ok when not refused
  [[nodiscard]] std::string_view detail() const;  ///< what is wrong; static

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace trilby::http
