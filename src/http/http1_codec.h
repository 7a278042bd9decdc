/// \file  HTTP/1.1 requests (RFC 9112): bytes in, events out. Knows no sockets and no clock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
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

/// What the head of a request says, apart from the head itself.
struct Framing {
  /// Length of the body; 0 when there is none; nothing when it is chunked.
  std::optional<std::uint64_t> content_length = 0;
  bool http_1_0 = false;
  bool keep_alive = false;  ///< the peer means to send another request; never with HTTP/1.0
  Expectation expectation = Expectation::None;
};

/// Reads requests, one after the other, and refuses whatever two parsers could understand differently: llhttp without
/// any of its lenient modes, and some checks of our own (RFC 9112 sections 3, 6 and 11).
/// Threading: none of its own. Cost: one parse of each byte; what it keeps of a head is bounded by the limits.
class RequestParser {
 public:
  struct Limits {
    std::size_t head_bytes = 32 * 1024;  ///< request line and fields, and empty lines before them
    std::uint32_t fields = 100;
  };
  enum class Event : std::uint8_t {
    NeedMore,  ///< all input is used up
    Head,      ///< head() and framing() are there
    Body,      ///< body() is there
    End,       ///< the request is complete; what follows is another one
    Refused,   ///< reason() and detail() say why; nothing else will ever come
  };
  struct Step {
    Event event;
    std::size_t used;  ///< bytes of the input that are done with
  };

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
  [[nodiscard]] std::string_view body() const;   ///< lies in the input that gave the event; never empty
  [[nodiscard]] bool is_refused() const;
  [[nodiscard]] Reason reason() const;            ///< BadRequest or HeadTooLarge; Ok when not refused
  [[nodiscard]] std::string_view detail() const;  ///< what is wrong, for the caller; static
  [[nodiscard]] bool between_requests() const;    ///< no byte of the next request has come

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace trilby::http
