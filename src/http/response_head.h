/// \file  The head of an answer, as bytes. Private to http/.
#pragma once

#include <array>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "call/body.h"
#include "call/fields.h"

namespace trilby::http {

/// The Date field's value, formatted once a second. Threading: loop-bound.
class DateCache {
 public:
  [[nodiscard]] std::string_view at(std::time_t now);

 private:
  std::time_t formatted_ = -1;
  std::array<char, 30> text_{};
};

/// How the end of a body shows.
struct BodyFraming {
  enum class Kind : std::uint8_t {
    None,     ///< there is no body, whatever the fields say: HEAD, 204, 304
    Length,   ///< `length` bytes
    Chunked,  ///< chunks
    Close,    ///< with the connection: HTTP/1.0
  };
  Kind kind = Kind::None;
  std::optional<std::uint64_t> length{};  ///< announced, when it is known; also of what HEAD would have got
};

/// How the body of an answer shows its end.
/// \param body     null: there is none
/// \param to_head  the request was HEAD
/// \param unknown  what is done when its length is not known beforehand
[[nodiscard]] BodyFraming frame_body(int status, const BodySource* body, bool to_head, BodyFraming::Kind unknown);

/// Whether a field of an answer goes out: it is well formed (RFC 9110 section 5), above all without CR, LF and NUL, and
/// is none of those that frame the message or belong to the connection, which are the server's own.
[[nodiscard]] bool may_be_sent(const Field& field);

/// Appends status line, the fields that may be sent, and the empty line.
/// \param status  200 to 599
void append_response_head(std::string& out, int status, const Fields& fields, const BodyFraming& framing,
                          std::string_view date, bool close);

}  // namespace trilby::http
