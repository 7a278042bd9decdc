#include "app/wiring_own_loop.h"

#include <algorithm>
#include <utility>

namespace trilby::app {

OwnLoopWays::Known::Known(std::string app_id, LoopWays::Ways& ways)
    : id(std::move(app_id)), by{id, *ways.invocation, ways.blocks ? &*ways.blocks : nullptr} {}

void OwnLoopWays::add(const std::vector<AppRoutes>& apps, const std::optional<SpanExport>& spans,
                      observe::OwnLoopMetrics& metrics, const observe::Labels& labels) {
  if (spans) {
    spans_.emplace(loop_, *spans, apps.size(), metrics.dropped_spans, ids_, labels);
  }
  for (std::size_t i = 0; i < apps.size(); ++i) {
    known_.emplace_back(apps[i].app, all_.add(apps[i], nobody_, spans_ ? &spans_->tracer(i) : nullptr));
  }
}

const dapr::AppWays* OwnLoopWays::find(std::string_view app_id) const {
  const auto at = std::find_if(known_.begin(), known_.end(), [&](const Known& app) { return app.id == app_id; });
  return at == known_.end() ? nullptr : &at->by;
}

void OwnLoopWays::hand_over_spans() {
  if (spans_) {
    spans_->hand_over();
  }
}

}  // namespace trilby::app
