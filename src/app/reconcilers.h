/// \file  The reconcilers of a worker: one for each app whose sidecar is to be looked after.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <vector>

#include "app/manifest.h"
#include "app/reconciler.h"
#include "app/wiring_routes.h"
#include "dapr/sidecar/building_blocks.h"
#include "http/client.h"
#include "net/loop.h"

namespace trilby::app {

/// Threading: made and used on one loop of the worker, so that everything is arranged once for all of them. Ownership:
/// that loop outlives it; it is destroyed on the loop's thread or after that has ended.
class Reconcilers {
 public:
  /// \param apps  in the order of the manifest
  Reconcilers(net::Loop& loop, const Manifest& manifest, const std::vector<AppRoutes>& apps);
  Reconcilers(const Reconcilers&) = delete;
  Reconcilers& operator=(const Reconcilers&) = delete;

  void start();  ///< once events are taken, and no other worker does the same any more
  /// \param settled  is told once nothing is on its way any more, after a second at most: another worker may begin
  void stop(std::function<void()> settled);

 private:
  void settle();

  struct One {
    One(net::Loop& loop, http::Client& client, const AppRoutes& routes, const App& app)
        : sidecar(loop, client, routes.sidecar), reconciler(loop, sidecar, app.id, needs_of(app)) {}

    dapr::sidecar::SidecarBlocks sidecar;  // without spans: this is nobody's request
    Reconciler reconciler;
  };

  http::Client client_;
  std::list<One> all_;
  net::Timer patience_;
  std::size_t unsettled_ = 0;
  std::function<void()> settled_;
};

}  // namespace trilby::app
