/// \file  What is asked of other apps and of Dapr on one loop: by which ways, and the spans of that.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "app/wiring_routes.h"
#include "dapr/embedded/service_invocation.h"
#include "dapr/nearest_invocation.h"
#include "dapr/sidecar/building_blocks.h"
#include "dapr/sidecar/service_invocation.h"
#include "http/client.h"
#include "net/loop.h"
#include "observe/ids.h"
#include "observe/metrics.h"
#include "observe/sampler.h"
#include "observe/tracer.h"

namespace trilby::app {

/// Which spans are recorded, and where they go. Ownership: all of it outlives the loops.
struct SpanExport {
  observe::Sampler sampler;
  Duration delay;                     ///< until a loop hands over what it has gathered
  std::atomic<std::size_t>& backlog;  ///< SpanQueue's
  std::function<void(std::vector<observe::SpanBatch>)>
      take;  ///< SpanBatch::service is the index of its app; any thread
};

/// The spans that one loop records, until it hands them over. Threading: loop-bound. Ownership: what it is made with
/// outlives it.
class LoopSpans {
 public:
  /// \param dropped  counts those for which there was no room
  LoopSpans(net::Loop& loop, const SpanExport& to, std::size_t apps, observe::Counter& dropped, observe::IdSource& ids,
            const observe::Labels& labels);
  LoopSpans(const LoopSpans&) = delete;
  LoopSpans& operator=(const LoopSpans&) = delete;

  [[nodiscard]] observe::Tracer& tracer(std::size_t app) const { return *tracers_[app]; }
  /// Gives those away that have gathered.
  void hand_over();

 private:
  void wake();

  const std::function<void(std::vector<observe::SpanBatch>)> take_;
  const Duration delay_;
  net::Timer timer_;
  observe::SpanQueue queue_;
  std::vector<std::unique_ptr<observe::Tracer>> tracers_;  // one for each app
};

/// How apps reach others, and Dapr, from one loop: with connections of its own to their sidecars. Threading:
/// loop-bound. Ownership: outlives who uses its ways; what it is made with outlives it.
class LoopWays {
 public:
  /// Those of one app.
  struct Ways {
    std::optional<dapr::sidecar::SidecarInvocation> far;  // with a sidecar
    std::optional<dapr::sidecar::SidecarBlocks> blocks;   // with a sidecar
    std::optional<dapr::NearestInvocation> invocation;
  };

  explicit LoopWays(net::Loop& loop) : loop_(loop) {}
  LoopWays(const LoopWays&) = delete;
  LoopWays& operator=(const LoopWays&) = delete;

  /// \param here  the apps that are reached without the sidecar
  /// \param spans  null: none are recorded
  [[nodiscard]] Ways& add(const AppRoutes& app, dapr::embedded::LocalInvocation& here, observe::Tracer* spans);
  /// Ends whatever is under way; who waits is told. Nothing can be asked any more.
  void hang_up() { client_.reset(); }

 private:
  net::Loop& loop_;
  std::vector<std::unique_ptr<Ways>> ways_;
  std::optional<http::Client> client_;  // with apps that have sidecars; goes first
};

}  // namespace trilby::app
