/// \file  The reconcilers of a worker: one for each app whose sidecar is to be looked after.
#pragma once

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
  /// \param after_another  a worker before this one may have arranged what this manifest does not have any more
  Reconcilers(net::Loop& loop, const Manifest& manifest, const std::vector<AppRoutes>& apps, bool after_another);
  Reconcilers(const Reconcilers&) = delete;
  Reconcilers& operator=(const Reconcilers&) = delete;

  void start();  ///< once events are taken
  void stop();   ///< another worker may begin to do the same

 private:
  struct One {
    One(net::Loop& loop, http::Client& client, const AppRoutes& routes, const App& app)
        : sidecar(loop, client, routes.sidecar), reconciler(loop, sidecar, app.id, needs_of(app)) {}

    dapr::sidecar::SidecarBlocks sidecar;  // without spans: this is nobody's request
    Reconciler reconciler;
  };

  http::Client client_;
  std::list<One> all_;
};

}  // namespace trilby::app
