/// \file  What a function writes to standard error, on its way to the operator's log: so many lines a second, each so
/// long.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "base/token_bucket.h"
#include "base/units.h"
#include "host/host.h"
#include "policy/policy.h"

namespace trilby::invoke {

/// One for each function, over all loops. Threading: any.
class GuestLog {
 public:
  GuestLog(std::string function, const policy::Limits& limits)
      : function_(std::move(function)),
        lines_per_second_(limits.log_lines_per_second),
        longest_(limits.log_line_length),
        bucket_(limits.log_lines_per_second) {}

  /// Logs what a call wrote, line by line. When lines may go out again, one says how many were dropped before.
  /// \param now  not a clock's reading of long ago \return lines dropped
  std::uint32_t write(std::string_view call_id, const host::Stdio& stdio, Clock::time_point now);

 private:
  [[nodiscard]] bool admit(Clock::time_point now);

  const std::string function_;
  const std::uint32_t lines_per_second_;
  const Bytes longest_;
  std::mutex mutex_;
  TokenBucket bucket_;        // guarded by mutex_
  std::uint64_t untold_ = 0;  // guarded by mutex_: lines dropped, of which no line has told
};

}  // namespace trilby::invoke
