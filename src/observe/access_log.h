/// \file  One line for each request answered, for people or as JSON lines.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/log.h"
#include "base/log_sink.h"
#include "base/reason.h"
#include "base/token_bucket.h"
#include "base/units.h"
#include "call/call.h"

namespace trilby::observe {

/// What a line says. The views are read before append() returns; all may hold what callers wrote.
struct AccessEntry {
  std::chrono::system_clock::time_point time;
  Clock::time_point ended;  ///< the same moment, by the clock that never jumps
  std::string_view app;
  std::string_view method;
  std::string_view path;  ///< as sent, without the query, for queries may hold secrets
  int status = 0;
  Reason reason = Reason::Internal;
  std::uint64_t request_bytes = 0;   ///< of the body, where its length was announced
  std::uint64_t response_bytes = 0;  ///< of the body, as far as it was sent
  Duration duration{};
  std::string_view request_id;
  std::string_view trace_id;
  std::string_view function;  ///< empty: none ran, and then `record` is not looked at
  std::string_view message;   ///< of the outcome, for the operator
  Record record;
};

/// Appends the line for `entry`, at most a few kilobytes, with a line feed at its end and nowhere else.
/// \param sampled  over 1: the line stands for so many requests, and says it
void append_line(std::string& out, const AccessEntry& entry, log::Format format, std::uint32_t sampled = 1);

/// Which lines of requests that went well are written when many come. One that failed always leaves its line.
struct Sampling {
  std::uint32_t full_rate = 0;  ///< in a second so many are all written; 0: all always are
  std::uint32_t one_in = 1;     ///< of the others one in so many is
};

/// The lines of one loop, written in batches. Threading: loop-bound, but several may share a sink's descriptor.
class AccessLog {
 public:
  /// `fd` is copied. Negative: nothing is logged.
  AccessLog(int fd, log::Format format, Sampling sampling = {});

  /// Writes when enough has gathered. A line is dropped when the reader is so slow that kMaxPending bytes wait; for one
  /// of a request that failed there is room for kMaxFailuresPending.
  void append(const AccessEntry& entry);
  /// Writes what waits, as far as the reader takes it. Call it from a timer: pending() says whether one is needed.
  void flush();
  [[nodiscard]] bool pending() const { return !buffer_.empty(); }
  [[nodiscard]] bool enabled() const { return enabled_; }
  /// Lines that were dropped since this was last asked: the reader was too slow or is gone, or the disk is full.
  [[nodiscard]] std::uint64_t take_dropped() { return std::exchange(dropped_, 0); }

  static constexpr std::size_t kBatch = 16U << 10U;
  static constexpr std::size_t kMaxPending = 1U << 20U;
  static constexpr std::size_t kMaxFailuresPending = 2U << 20U;  ///< those of others included

 private:
  bool enabled_;
  log::Sink sink_;
  log::Format format_;
  Sampling sampling_;
  TokenBucket full_rate_;
  std::uint32_t left_out_ = 0;  // since the last line that stands for others
  std::size_t flush_at_ = kBatch;
  std::string buffer_;
  std::uint64_t dropped_ = 0;
};

}  // namespace trilby::observe
