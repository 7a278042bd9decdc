/// \file  How often an event was to be brought again, kept where it outlives this process, so that one that always
/// fails comes to an end.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "base/reason.h"
#include "base/result.h"
#include "call/call.h"
#include "dapr/building_blocks.h"

namespace trilby::triggers {

inline constexpr std::size_t kMaxCountedId = 256;  ///< events with longer ids are not counted

/// Of one trigger.
struct RetryLimit {
  std::string store;       ///< a state store; empty: nothing is counted
  std::uint32_t most = 0;  ///< so often an event is to be brought again
};

/// Whether a call that ended so may be the event's own fault. What is not is overload, the end of this process, a
/// sender that does not wait, and an output that nobody takes: those say nothing of the event.
[[nodiscard]] bool counts_against_event(Reason reason);

/// Counts in a state store of the app's sidecar: one read and one write for each time that an event is to be brought
/// again, and nothing for those that go well. Counts end with the store's entries, after a day where the store knows
/// how. Threading: loop-bound. Ownership: what it is made with outlives it; what has not ended by its end never does.
class RetryCounts {
 public:
  /// \param blocks  null: the app has no sidecar, and nothing can be counted
  explicit RetryCounts(dapr::BuildingBlocks* blocks) : blocks_(blocks) {}
  ~RetryCounts();
  RetryCounts(const RetryCounts&) = delete;
  RetryCounts& operator=(const RetryCounts&) = delete;

  /// How often it was counted before this time, or why that is not known. At the limit it is not counted any further.
  /// Runs exactly once, possibly before count() returns.
  using OnCounted = std::function<void(Result<std::uint32_t>)>;
  /// \param trigger  its path, which says which one it is
  void count(const RetryLimit& limit, std::string_view trigger, std::string_view event_id, const TraceContext& trace,
             OnCounted done);

 private:
  class Counting;

  dapr::BuildingBlocks* const blocks_;
  std::list<std::shared_ptr<Counting>> live_;
};

}  // namespace trilby::triggers
