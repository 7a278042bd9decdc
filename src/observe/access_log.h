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
#include "base/units.h"
#include "call/call.h"

namespace trilby::observe {

/// What a line says. The views are read before append() returns; all may hold what callers wrote.
struct AccessEntry {
  std::chrono::system_clock::time_point time;
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
void append_line(std::string& out, const AccessEntry& entry, log::Format format);

/// The lines of one loop, written in batches. Threading: loop-bound, but several may share a sink's descriptor.
class AccessLog {
 public:
  /// `fd` is copied. Negative: nothing is logged.
  AccessLog(int fd, log::Format format);

  /// Writes when enough has gathered. A line is dropped when the reader is so slow that kMaxPending bytes wait.
  void append(const AccessEntry& entry);
  /// Writes what waits, as far as the reader takes it. Call it from a timer: pending() says whether one is needed.
  void flush();
  [[nodiscard]] bool pending() const { return !buffer_.empty(); }
  [[nodiscard]] bool enabled() const { return enabled_; }
  /// Lines that were dropped since this was last asked: the reader was too slow or is gone, or the disk is full.
  [[nodiscard]] std::uint64_t take_dropped() { return std::exchange(dropped_, 0); }

  static constexpr std::size_t kBatch = 16U << 10U;
  static constexpr std::size_t kMaxPending = 1U << 20U;

 private:
  bool enabled_;
  log::Sink sink_;
  log::Format format_;
  std::size_t flush_at_ = kBatch;
  std::string buffer_;
  std::uint64_t dropped_ = 0;
};

}  // namespace trilby::observe
