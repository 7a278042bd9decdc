/// \file  What the calls on one of invoke::OwnLoops ask Dapr by.
#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/wiring_routes.h"
#include "app/wiring_ways.h"
#include "dapr/app_ways.h"
#include "net/loop.h"
#include "observe/ids.h"
#include "observe/metrics.h"

namespace trilby::app {

/// The ways of all apps from such a loop, and the spans of what is asked there. No app is served on it, so apps of the
/// same process are reached through the sidecar as all others are.
/// Threading: made anywhere; the rest is loop-bound. Ownership: its loop, and what it is given, outlive it; it outlives
/// the calls there.
class OwnLoopWays {
 public:
  explicit OwnLoopWays(net::Loop& loop) : loop_(loop), all_(loop) {}
  OwnLoopWays(const OwnLoopWays&) = delete;
  OwnLoopWays& operator=(const OwnLoopWays&) = delete;

  /// Once, before any call.
  /// \param spans  nothing: none are recorded
  void add(const std::vector<AppRoutes>& apps, const std::optional<SpanExport>& spans, observe::OwnLoopMetrics& metrics,
           const observe::Labels& labels);
  /// invoke::FindWays.
  [[nodiscard]] const dapr::AppWays* find(std::string_view app_id) const;
  void hand_over_spans();

 private:
  struct Known {
    Known(std::string app_id, LoopWays::Ways& ways);
    const std::string id;
    const dapr::AppWays by;
  };

  net::Loop& loop_;
  observe::IdSource ids_;
  std::optional<LoopSpans> spans_;
  dapr::embedded::LocalInvocation nobody_;
  LoopWays all_;
  std::list<Known> known_;
};

}  // namespace trilby::app
