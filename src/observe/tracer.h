/// \file  What records spans on one loop: which traces, whose ids, and where spans gather until they are handed over.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/units.h"
#include "call/call.h"
#include "observe/ids.h"
#include "observe/metrics.h"
#include "observe/sampler.h"
#include "observe/span.h"
#include "observe/trace.h"

namespace trilby::observe {

/// Spans of one service, encoded as the fields of a ScopeSpans.
struct SpanBatch {
  std::size_t service = 0;
  std::uint32_t count = 0;
  std::string spans;
};

/// Spans of one loop that wait to be handed over. It never waits for anybody: what finds no room is dropped and
/// counted. Threading: loop-bound, but for `backlog`.
class SpanQueue {
 public:
  static constexpr std::uint32_t kBatchSpans = 512;  ///< so many are handed over at once
  static constexpr std::size_t kBatchBytes = 256U << 10U;
  static constexpr std::size_t kMaxBacklog = 8U << 20U;  ///< bytes of all loops that are not exported yet

  /// \param backlog  bytes that all queues together have handed over and nobody has exported yet; shared by all loops
  /// \param wake  told of the first span after take(), and then of a batch that is full
  /// All of it outlives the queue.
  SpanQueue(std::size_t services, std::atomic<std::size_t>& backlog, Counter& dropped, std::function<void()> wake);

  /// Writes a span, unless there is no room.
  template <typename Describe>
  void add(std::size_t service, const SpanIds& ids, SpanKind kind, std::string_view name, Clock::time_point start,
           Clock::time_point end, const Describe& describe) {
    if (!has_room()) {
      return dropped_.add();
    }
    writer_.begin(ids, kind, name, unix_time(start), unix_time(end));
    describe(writer_);
    finish(service);
  }

  [[nodiscard]] bool is_full() const { return count_ >= kBatchSpans || bytes_ >= kBatchBytes; }
  /// All that waits, added to the backlog.
  [[nodiscard]] std::vector<SpanBatch> take();

 private:
  [[nodiscard]] bool has_room() const;
  void compare_clocks(Clock::time_point now);
  [[nodiscard]] std::uint64_t unix_time(Clock::time_point at);
  void finish(std::size_t service);

  std::atomic<std::size_t>& backlog_;
  Counter& dropped_;
  const std::function<void()> wake_;
  std::vector<SpanBatch> batches_;  // one for each service
  std::uint32_t count_ = 0;
  std::size_t bytes_ = 0;
  SpanWriter writer_;
  // The wall clock stamps spans; it is asked now and then, and the one that never jumps tells the rest.
  Clock::time_point compared_{};
  std::chrono::nanoseconds ahead_{};
};

/// Records the spans of one app on one loop. Threading: loop-bound. Ownership: what it is made with outlives it.
class Tracer {
 public:
  /// \param service  SpanBatch::service of its spans
  Tracer(SpanQueue& queue, std::size_t service, const Sampler& sampler, IdSource& ids, const Labels& labels)
      : queue_(queue), service_(service), sampler_(sampler), ids_(ids), labels_(labels) {}

  /// A span for what comes from outside. \param given  its context, or an empty one: it begins a trace
  /// \param own  gets the context to pass on
  [[nodiscard]] SpanIds begin(const TraceContext& given, TraceContext& own);
  /// A span below one of ours; nothing when there is none. \param own  as above; may be `parent`
  [[nodiscard]] SpanIds begin_child(const TraceContext& parent, TraceContext& own);
  /// Records a span that has ended. Nothing happens when it is not to be recorded.
  /// \param describe  called with a SpanWriter, for whatever else there is to say; or never
  template <typename Describe>
  void record(const SpanIds& ids, SpanKind kind, std::string_view name, Clock::time_point start, Clock::time_point end,
              const Describe& describe) {
    if (ids.is_recorded()) {
      queue_.add(service_, ids, kind, name, start, end, describe);
    }
  }

  [[nodiscard]] const Labels& labels() const { return labels_; }

 private:
  [[nodiscard]] std::uint64_t new_id();

  SpanQueue& queue_;
  const std::size_t service_;
  const Sampler sampler_;
  IdSource& ids_;
  const Labels& labels_;
};

/// A request of ours to somebody else, while it is under way. Its span is recorded when it ends, or when this is
/// destroyed before: then nobody waits for it any more. Ownership: the tracer outlives it.
class ClientSpan {
 public:
  /// \param operation  "publish" \param target  "broker/priced" \param own  as Tracer::begin_child()
  ClientSpan(Tracer& tracer, std::string_view operation, std::string_view target, const TraceContext& parent,
             TraceContext& own);
  ClientSpan(const ClientSpan&) = delete;
  ClientSpan& operator=(const ClientSpan&) = delete;
  ~ClientSpan() { end(Reason::Cancelled, 0); }

  /// \param status  of HTTP; 0: there is none
  void end(Reason reason, int status);

 private:
  Tracer& tracer_;
  const Clock::time_point began_ = Clock::now();
  std::string operation_;
  std::string target_;
  SpanIds ids_;  // not recorded: it has ended, or never was to be
};

}  // namespace trilby::observe
