/// \file  The closed table of how things end. Answers, logs, metrics, exit codes and docs use these names and no
/// others.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace trilby {

enum class Reason : std::uint8_t {
  Ok,                ///< the function answered
  BadInput,          ///< a command exited 65 (EX_DATAERR): the input is bad
  FunctionFailed,    ///< a command exited otherwise, or a function returned an error
  Trap,              ///< unreachable, out of bounds, division, stack overflow
  LimitMemory,       ///< a growth was denied and the call did not end well
  LimitOutput,       ///< more output than allowed
  LimitCpu,          ///< CPU time used up
  LimitWall,         ///< wall time used up
  LimitCalls,        ///< another limit: handles, host calls
  Denied,            ///< not allowed what it asked for, and failed of it
  BadRequest,        ///< malformed request
  NotFound,          ///< no such route
  MethodNotAllowed,  ///< the route exists for other methods
  Unauthorized,      ///< no or wrong token
  HeadTooLarge,      ///< request line and headers over the limit
  BodyTooLarge,      ///< request body over the limit
  RequestTimeout,    ///< head or body came too slowly
  Overloaded,        ///< concurrency and queue are full
  Draining,          ///< shutting down
  UpstreamFailed,    ///< what was called failed
  Cancelled,         ///< the caller went away
  Manifest,          ///< the manifest, or something it names, is wrong: start is refused
  Internal,          ///< a defect of ours
};

inline constexpr std::size_t kReasonCount = static_cast<std::size_t>(Reason::Internal) + 1;

struct ReasonInfo {
  Reason reason;
  std::string_view name;   ///< kebab case, as in `trilby-reason`
  std::uint16_t status;    ///< HTTP status of the answer; 499 is only logged
  std::uint8_t exit_code;  ///< of `trilby invoke` and of the other commands
  std::string_view title;  ///< for people, without details: the `title` of problem+json
};

[[nodiscard]] const ReasonInfo& info(Reason reason);
[[nodiscard]] inline std::string_view name(Reason reason) {
  return info(reason).name;
}
/// \return nothing when `name` is not in the table
[[nodiscard]] std::optional<Reason> reason_from_name(std::string_view name);

}  // namespace trilby
