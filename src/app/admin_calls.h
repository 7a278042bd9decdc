/// \file  GET /calls of the admin listener: the calls that ended last, filtered, as JSON or as a table of plain text.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/reason.h"
#include "base/result.h"
#include "base/units.h"
#include "observe/call_ring.h"
#include "observe/metrics.h"

namespace trilby::app {

/// What somebody asked of /calls.
struct CallQuery {
  enum class Form : std::uint8_t {
    Json,
    Tsv,  ///< tab-separated values: a heading, then a line a call
  };
  std::optional<std::size_t> function;  ///< index in Labels::functions()
  std::optional<Reason> reason;
  std::size_t limit = 100;
  Form form = Form::Json;

  [[nodiscard]] bool wants(const observe::EndedCall& call) const {
    return (!function || call.function == *function) && (!reason || call.reason == *reason);
  }
};

inline constexpr std::size_t kMaxCallsShown = 10'000;

/// Reads "function=NAME&reason=NAME&limit=N&format=json|tsv", all of them optional.
/// \return Reason::BadRequest with words for whoever asked
[[nodiscard]] Result<CallQuery> parse_call_query(std::string_view query, const observe::Labels& labels);

/// Sorts what the loops gave and keeps the newest `query.limit`.
[[nodiscard]] std::vector<observe::EndedCall> newest_of(std::vector<std::vector<observe::EndedCall>> loops,
                                                        const CallQuery& query);

/// The moment at which the calls are shown, by both clocks: calls know the monotonic one only, which never jumps.
struct Moment {
  Clock::time_point monotonic;
  std::chrono::system_clock::time_point wall;
  [[nodiscard]] static Moment now() { return {Clock::now(), std::chrono::system_clock::now()}; }
};

[[nodiscard]] std::string render_calls(std::span<const observe::EndedCall> calls, const observe::Labels& labels,
                                       CallQuery::Form form, const Moment& now);
[[nodiscard]] std::string_view content_type(CallQuery::Form form);

}  // namespace trilby::app
