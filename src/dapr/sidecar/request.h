/// \file  One request to a sidecar's HTTP API, and what its answer says. Private to dapr/sidecar/.
#pragma once

#include <functional>
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

/// What a sidecar answered, other than an error.
struct Said {
  std::optional<WholeBody> body;  ///< nothing: there is none, or it is nobody's
  bool is_conflict = false;       ///< it refused for what others did
};
using OnSaid = std::function<void(Result<Said>)>;

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

/// Whether a transaction failed of an etag. Dapr has no code for that: components say it in words.
[[nodiscard]] bool is_etag_conflict(int status, std::string_view body);
/// Whether the scheduler would not make a job for the one that is there.
[[nodiscard]] bool is_job_conflict(int status, std::string_view body);
/// Whether the answer to the end of a subscription to configuration says that there is none: by the words of Dapr's
/// components, for any other failure has the same form.
[[nodiscard]] bool has_no_such_subscription(int status, std::string_view body);
/// [{"key":"k","data":1,"etag":"7"}], with nothing in it but that.
/// \param keys  what was asked for, ["k"], each once
/// Errors: UpstreamFailed when that is not what `document` is, one of them could not be read, or they are not one for
/// each key.
[[nodiscard]] Result<std::string> states_of(std::string_view document, std::string_view keys);
/// The value of `key` in a configuration, {"key":{"value":"v"}}. \return nothing in it when it is not there
/// Errors: UpstreamFailed when that is not what `document` is.
[[nodiscard]] Result<std::optional<std::string>> configuration_value(std::string_view document, std::string_view key);
/// {"success":true} of a lock. \return nothing when `document` is not that
[[nodiscard]] std::optional<Change> read_lock(std::string_view document);
/// {"status":0} of a lock that is given back.
[[nodiscard]] std::optional<Change> read_unlock(std::string_view document);

}  // namespace trilby::dapr::sidecar
