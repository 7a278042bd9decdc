/// \file  From a call to an app to the outcome: the same for HTTP requests and for calls of other apps.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "call/call.h"
#include "dapr/app_ways.h"
#include "dapr/service_invocation.h"
#include "invoke/invoker.h"
#include "observe/call_ring.h"
#include "observe/ids.h"
#include "observe/metrics.h"
#include "observe/tracer.h"
#include "triggers/output.h"
#include "triggers/route_table.h"

namespace trilby::triggers {

/// Announced bodies longer than this are refused where a route does not read bodies.
inline constexpr Bytes kMaxUnreadBody = 64_KiB;

/// What a router needs of its loop. Ownership: all of it outlives the router.
struct LoopServices {
  invoke::Invoker& invoker;
  dapr::ServiceInvocation& invocation;
  observe::LoopMetrics& metrics;
  observe::IdSource& ids;
  observe::CallRing& calls;
  dapr::BuildingBlocks* blocks = nullptr;  ///< null: the app has no sidecar
  BodyBudget* answers = nullptr;           ///< of bodies that are answers; null: none
  observe::Tracer* tracer = nullptr;       ///< null: no spans are recorded
};

/// The routes of one app on one loop. Threading: loop-bound. Ownership: outlives its calls.
class Router {
 public:
  Router(std::string app_id, std::shared_ptr<const RouteTable> table, LoopServices services);
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  [[nodiscard]] const std::string& app_id() const { return app_id_; }
  /// For the functions that it calls.
  [[nodiscard]] const dapr::AppWays& ways() const { return ways_; }
  /// The app's way to Dapr; null: it has no sidecar.
  [[nodiscard]] dapr::BuildingBlocks* blocks() const { return services_.blocks; }
  /// Null: no spans are recorded.
  [[nodiscard]] observe::Tracer* tracer() const { return services_.tracer; }
  [[nodiscard]] observe::LoopMetrics& metrics() const { return services_.metrics; }

  /// The route that `call` takes; null for none.
  [[nodiscard]] const Route* match(const Call& call) const { return table_->find(call.method, call.path, call.fields); }
  /// Takes `call` down `route`, which match() gave for it. `done` runs exactly once, possibly before this returns.
  void run(const Route* route, Call call, OnOutcome done);
  /// Calls a function, and counts and keeps the call; then sends the target's outputs, if it has any. `done` as in
  /// run(), once they are acknowledged.
  void call_function(const FunctionTarget& target, Call call, OnOutcome done);
  /// Ends the sending of outputs (OutputSender::cancel_all).
  void cancel_outputs(Reason why) { outputs_.cancel_all(why); }

 private:
  [[nodiscard]] Outcome refuse_unmatched(const Call& call) const;
  void end_call(std::size_t label, Outcome& outcome);
  [[nodiscard]] Outcome refuse_call(std::size_t label, std::string call_id, Outcome refused);
  /// Gives the call a span of its own, which ends before `done` runs.
  [[nodiscard]] OnOutcome trace_call(std::size_t label, Call& call, OnOutcome done);
  void run_invoke(const InvokeTarget& target, Call call, OnOutcome done);

  std::string app_id_;
  std::shared_ptr<const RouteTable> table_;
  LoopServices services_;
  OutputSender outputs_;
  const dapr::AppWays ways_;
};

}  // namespace trilby::triggers
