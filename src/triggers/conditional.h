/// \file  Conditional requests and ranges (RFC 9110 sections 13 and 14), as far as files need them.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "call/fields.h"

namespace trilby::triggers {

/// What a file is compared by.
struct Validators {
  std::string etag;  ///< strong, with its quotes
  std::time_t modified = 0;
};

/// An IMF-fixdate: "Sun, 06 Nov 1994 08:49:37 GMT".
[[nodiscard]] std::string http_date(std::time_t time);
/// \return nothing for any other form
[[nodiscard]] std::optional<std::time_t> parse_http_date(std::string_view text);

enum class Precondition : std::uint8_t {
  Holds,        ///< or there is none
  NotModified,  ///< 304
  Failed,       ///< 412
};
/// What the preconditions of a GET or HEAD come to, in the order of RFC 9110 section 13.2.2: If-Match or else
/// If-Unmodified-Since, then If-None-Match or else If-Modified-Since. Malformed dates are ignored; a malformed tag is
/// no tag, and matches nothing.
[[nodiscard]] Precondition check_preconditions(const Fields& fields, const Validators& current);

struct ByteRange {
  std::uint64_t first = 0;
  std::uint64_t length = 0;  ///< 0: the range cannot be satisfied (416)
};
/// The part of `size` bytes that a GET with these fields asks for.
/// \return nothing when the whole is to be sent: no Range, a malformed one, several ranges (a way to make a server send
/// more
///         than the file), another unit, or an If-Range that names another version
[[nodiscard]] std::optional<ByteRange> requested_range(const Fields& fields, const Validators& current,
                                                       std::uint64_t size);

}  // namespace trilby::triggers
