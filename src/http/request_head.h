/// \file  The head of a request, as bytes. Private to http/.
#pragma once

#include <string>

#include "base/result.h"
#include "http/client.h"
#include "http/response_head.h"

namespace trilby::http {

/// How the end of the request's body shows (RFC 9112 section 6.3). A method that usually has a body announces that
/// there is none (RFC 9110 section 8.6).
[[nodiscard]] BodyFraming request_framing(const Request& request);

/// Request line, fields and the empty line. Nothing that could be read as more than one request or field gets through.
/// \return BadRequest when method, target, host or a field is malformed; HeadTooLarge beyond the limits
[[nodiscard]] Result<std::string> make_request_head(const Request& request, const BodyFraming& framing,
                                                    const ClientLimits& limits);

}  // namespace trilby::http
