/// \file  One HTTP/1.1 exchange with a listener of a system, for commands that ask a running one. Blocks.
#pragma once

#include <string>
#include <string_view>

#include "app/manifest.h"
#include "base/result.h"
#include "base/units.h"
#include "call/fields.h"

namespace trilby::cli {

struct HttpAnswer {
  int status = 0;
  Fields fields;
  std::string body;
};

/// What an answer may have at most; a longer one is refused.
inline constexpr Bytes kMaxAnswer = Bytes{64U << 20U};

/// A request with what its framing needs: Host, Content-Length, and Connection: close. `fields` are whole lines, each
/// with its CR LF.
[[nodiscard]] std::string make_request(std::string_view method, std::string_view target, std::string_view fields = {},
                                       std::string_view body = {});

/// Sends `request`, as it is and so perhaps malformed, on a connection of its own, and reads the answer to its end.
/// \param patience  for connecting and for each piece that comes or goes
/// \return Reason::UpstreamFailed when nobody listens, nothing comes, or what comes is no answer
[[nodiscard]] Result<HttpAnswer> ask(const app::Address& address, std::string_view request, Duration patience);

}  // namespace trilby::cli
