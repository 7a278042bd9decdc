#include "app/wiring_ways.h"

#include <utility>

namespace trilby::app {
namespace {

/// Of one loop's requests to all sidecars. Time is bounded by sidecar.timeout, requests by the calls that make them.
constexpr http::ClientLimits kSidecarLimits = {.waiting = 1000,
                                               .addresses = 256,  // as many as apps
                                               .queue_wait = std::chrono::seconds(5),
                                               .head_timeout = std::chrono::minutes(10)};

}  // namespace

LoopSpans::LoopSpans(net::Loop& loop, const SpanExport& to, std::size_t apps, observe::Counter& dropped,
                     observe::IdSource& ids, const observe::Labels& labels)
    : take_(to.take), delay_(to.delay), timer_(loop), queue_(apps, to.backlog, dropped, [this] { wake(); }) {
  for (std::size_t app = 0; app < apps; ++app) {
    tracers_.push_back(std::make_unique<observe::Tracer>(queue_, app, to.sampler, ids, labels));
  }
}

void LoopSpans::wake() {
  if (queue_.is_full()) {
    hand_over();
  } else {
    timer_.start(delay_, [this] { hand_over(); });
  }
}

void LoopSpans::hand_over() {
  timer_.cancel();
  if (auto batches = queue_.take(); !batches.empty()) {
    take_(std::move(batches));
  }
}

LoopWays::Ways& LoopWays::add(const AppRoutes& app, dapr::embedded::LocalInvocation& here, observe::Tracer* spans) {
  Ways& ways = *ways_.emplace_back(std::make_unique<Ways>());
  if (app.sidecar) {
    if (!client_) {
      client_.emplace(loop_, kSidecarLimits);
    }
    ways.far.emplace(*client_, app.sidecar);
    ways.blocks.emplace(loop_, *client_, app.sidecar, spans);
  }
  ways.invocation.emplace(here, ways.far ? &*ways.far : nullptr, spans);
  return ways;
}

}  // namespace trilby::app
