/// \file  A load of HTTP requests on one port of this machine: an open loop (requests fall due at random moments,
/// whether or not earlier ones were answered) or a closed one (a connection asks again once it was answered).
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/result.h"
#include "base/units.h"

namespace trilby::bench {

inline constexpr std::uint32_t kMaxConnections = 10'000;
inline constexpr double kMaxRate = 1e6;
inline constexpr Duration kMaxLength = std::chrono::minutes(10);

/// What to send. Everything is bounded, so that a mistake cannot load a machine for ever.
struct LoadPlan {
  std::uint16_t port = 0;  ///< on 127.0.0.1
  std::string path = "/";
  std::uint32_t connections = 1;  ///< 1..kMaxConnections; an open loop opens them as it needs them
  double rate = 0;               ///< requests due each second, at exponentially distributed distances; 0: a closed loop
  Duration length = kMaxLength;  ///< after it nothing falls due any more, over 0..kMaxLength
  std::uint64_t requests = 0;    ///< after so many nothing falls due any more; 0: any number
  std::uint64_t seed = 1;        ///< of the distances
  Duration patience = std::chrono::seconds(20);  ///< for answers, after the last was due; what has none then has failed
};

/// Whole microseconds, and how often they were seen.
using Latencies = std::map<std::uint32_t, std::uint64_t>;

/// What came of it. Latencies count from the moment the request was *due*: a server that makes its client wait does not
/// look better for it.
struct LoadResult {
  std::map<int, Latencies> answers;  ///< by status
  Latencies late;  ///< open loop: from due to sent, for want of a connection or by the client's own fault
  std::uint64_t due = 0;
  std::uint64_t starved = 0;  ///< open loop: found every connection taken
  std::uint64_t failed = 0;   ///< refused, reset or closed before the whole answer, or no answer in time
  Duration took{};            ///< from the start to the last answer
};

/// Runs the plan on this thread. \return Reason::BadRequest when the plan is out of bounds, Reason::UpstreamFailed when
/// an answer is nothing that this small client understands (it needs a Content-Length), Reason::Internal when the
/// system gives no descriptor
[[nodiscard]] Result<LoadResult> run_load(const LoadPlan& plan);

}  // namespace trilby::bench
