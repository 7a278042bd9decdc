/// \file  One request to a sidecar's HTTP API, and what its answer says. Private to dapr/sidecar/.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "call/call.h"
#include "dapr/building_blocks.h"
#include "dapr/sidecar/settings.h"
#include "http/client.h"

namespace trilby::dapr::sidecar {

inline constexpr Bytes kMostAnswerBytes{64U << 10U};  ///< of an answer that is read whole

/// Appends `text` so that it is one part of a path or a value of a query: all but letters, digits and "-._~" escaped.
void append_escaped(std::string& out, std::string_view text);
/// Appends `path`, in which '/' stays what it is.
void append_escaped_path(std::string& out, std::string_view path);

/// Appends data where JSON is wanted (building_blocks.h).
void append_as_json(std::string& out, const Payload& payload);

/// A request with what all have: address, token, trace.
[[nodiscard]] http::Request make_request(const Settings& settings, std::string method, std::string target,
                                         const TraceContext& trace);
/// When to give up: the caller's deadline, or the sidecar's time.
[[nodiscard]] Clock::time_point give_up_at(const Settings& settings, Clock::time_point deadline);
/// An error of the client, as a caller of the sidecar is told it.
[[nodiscard]] Error explain(Error error, Clock::time_point deadline);

/// What a sidecar itself says, in the answers of its own: {"errorCode":"ERR_...","message":"..."}, or that the token is
/// wrong. \return nothing for an answer that is somebody else's. One printable line.
[[nodiscard]] std::optional<std::string> own_error(int status, std::string_view body);

}  // namespace trilby::dapr::sidecar
