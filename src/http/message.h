/// \file  HTTP messages (RFC 9110, RFC 9112), apart from how they come over a wire.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "call/body.h"
#include "call/fields.h"

namespace trilby::http {

struct RequestHead {
  std::string method;  ///< as sent; a token
  std::string target;  ///< as sent: origin-form, or "*"; absolute-form is reduced to its path and query
  /// As sent, without those that frame the message (content-length, transfer-encoding, connection and what it names,
  /// keep-alive, te, trailer, upgrade, expect). The body knows its length.
  Fields fields;
};

struct ResponseHead {
  int status = 0;  ///< 200 to 599
  /// As sent, without those that frame the message or are about the connection, as RequestHead's. But content-length
  /// stays when it frames nothing: in an answer to HEAD, and with 304 (RFC 9110 section 8.6).
  Fields fields;
};

struct Response {
  int status = 200;
  /// Content-length, transfer-encoding, connection and date are the server's business; fields that are not well formed
  /// (CR, LF, NUL) are left out.
  Fields fields;
  std::unique_ptr<BodySource> body;  ///< null: no body. Known length: Content-Length; else chunked
  /// Asked once the body has come to its end: fields that follow it (RFC 9110 section 6.5). May be null. HTTP/1.1
  /// leaves them out.
  std::function<Fields()> trailers{};
};

}  // namespace trilby::http
