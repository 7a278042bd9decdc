/// \file  HTTP messages (RFC 9110, RFC 9112), apart from how they come over a wire.
#pragma once

#include <memory>
#include <string>

#include "call/body.h"
#include "call/fields.h"

namespace trilby::http {

struct RequestHead {
  std::string method;  ///< as sent; a token
  std::string target;  ///< as sent: origin-form, or "*"; absolute-form is reduced to its path and query
  Fields fields;  ///< as sent, without those that frame the message (transfer-encoding, connection, keep-alive, expect,
                  ///< ...)
};

struct Response {
  int status = 200;
  Fields fields;  ///< content-length, transfer-encoding, connection and date are the server's business
  std::unique_ptr<BodySource> body;  ///< null: no body. Known length: Content-Length; else chunked
};

}  // namespace trilby::http
