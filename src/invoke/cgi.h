/// \file  Commands that speak CGI (RFC 3875): what they are told of the request, and what they say of the answer.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"
#include "call/call.h"
#include "policy/environment.h"

namespace trilby::invoke {

inline constexpr std::size_t kMaxCgiHead = 32U << 10U;  ///< bytes of a command's header fields, the blank line included
inline constexpr std::size_t kMaxCgiFields = 100;

/// Adds the meta-variables of `call` (RFC 3875 section 4.1), whose body has `length` bytes.
/// Not among them are Proxy (it would become HTTP_PROXY, which HTTP clients obey), Authorization (section 4.1.18) and
/// fields whose names hold anything but letters, digits and '-' (X_A would pass for X-A).
/// \return Reason::HeadTooLarge when they are more than a guest may be given
[[nodiscard]] Result<void> add_cgi_variables(const Call& call, std::size_t length, policy::Environment& environment);

/// The beginning of a command's output (RFC 3875 section 6).
struct CgiHead {
  int status = 200;
  Fields fields;         ///< without Status; values hold no control characters but tabs
  std::size_t size = 0;  ///< bytes of output before the body
};
/// Lines end with LF or CRLF. `Location` means 302 where no Status is given, also for a path: nothing is redirected
/// within the server. Fields that frame a message or are the server's own are left to whoever sends the answer to take
/// out.
/// \return Reason::FunctionFailed with what is wrong, without the command's words
[[nodiscard]] Result<CgiHead> parse_cgi_head(std::string_view output);

}  // namespace trilby::invoke
