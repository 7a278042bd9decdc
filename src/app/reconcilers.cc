#include "app/reconcilers.h"

#include <algorithm>

#include "base/log.h"

namespace trilby::app {
namespace {

constexpr http::ClientLimits kLimits = {.connections = 1, .waiting = 4, .addresses = 256};  // as many as apps

}  // namespace

Reconcilers::Reconcilers(net::Loop& loop, const Manifest& manifest, const std::vector<AppRoutes>& apps,
                         bool after_another)
    : client_(loop, kLimits) {
  for (std::size_t i = 0; i < apps.size(); ++i) {
    const App& app = manifest.apps[i];
    const bool has_jobs = !scheduled_jobs(app).empty();
    if (apps[i].sidecar && (after_another || has_jobs || !app.configurations.empty())) {
      all_.emplace_back(loop, client_, apps[i], app);
    } else if (has_jobs && !apps[i].sidecar) {
      log::warn("jobs are not scheduled: the app has no sidecar", {{"app", app.id}});
    }
  }
}

void Reconcilers::start() {
  std::for_each(all_.begin(), all_.end(), [](One& one) { one.reconciler.start(); });
}

void Reconcilers::stop() {
  std::for_each(all_.begin(), all_.end(), [](One& one) { one.reconciler.stop(); });
}

}  // namespace trilby::app
