/// \file  One event loop with everything that serves on it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "app/wiring_routes.h"
#include "app/wiring_ways.h"
#include "app/worker.h"
#include "base/log.h"
#include "dapr/embedded/service_invocation.h"
#include "http/server.h"
#include "invoke/invoker.h"
#include "invoke/sibling_loops.h"
#include "net/accepted.h"
#include "net/loop.h"
#include "net/tls_context.h"
#include "observe/access_log.h"
#include "observe/call_ring.h"
#include "observe/ids.h"
#include "observe/metrics.h"
#include "triggers/app_channel.h"
#include "triggers/grpc_channel.h"
#include "triggers/grpc_front.h"
#include "triggers/http_front.h"
#include "triggers/router.h"

namespace trilby::app {

/// A listener as a loop sees it.
struct ServedListener {
  std::size_t app = 0;                                   ///< index of its AppRoutes
  std::string token;                                     ///< triggers::FrontOptions::token
  bool is_app_channel = false;                           ///< Dapr's own requests are answered there
  std::shared_ptr<const net::TlsContext> tls = nullptr;  ///< null: it speaks none
  std::size_t tls_label = 0;                             ///< index in observe::Labels::tls_listeners(), if it does
};

/// A loop, its thread, and what serves apps on it: invoker, routers, one front and one server for each listener.
/// Threading: what says so is for the loop's own thread; the rest for the thread that made it.
class ServingLoop {
 public:
  /// \param log_fd  where access lines go; negative: nowhere. Throws std::exception when the system has no descriptors.
  /// \param budgets  shared by all loops; outlive them
  /// \param own  may be null; see invoke::OtherLoops
  /// \param siblings  all loops of the process, of which this is one
  ServingLoop(const observe::Labels& labels, int log_fd, log::Format format, observe::Sampling sampling,
              invoke::BodyBudgets budgets, invoke::OwnLoops* own, invoke::SiblingLoops& siblings);
  ~ServingLoop();  ///< stop()
  ServingLoop(const ServingLoop&) = delete;
  ServingLoop& operator=(const ServingLoop&) = delete;

  /// \param in_batches  the thread is one of SCHED_BATCH; whoever has the core goes on until it is done for now
  void start(bool in_batches = false);
  /// Ends what is served, calls included, and the thread. Posted work that has not run never does.
  void stop();

  [[nodiscard]] net::Loop& loop() { return loop_; }
  [[nodiscard]] const observe::LoopMetrics& metrics() const { return metrics_; }
  [[nodiscard]] observe::StallMetrics& stall_metrics() { return metrics_.stall; }  ///< for the watchdog

  // On the loop's thread:

  /// The calls of functions that ended last.
  [[nodiscard]] const observe::CallRing& calls() const { return calls_; }
  /// From here on spans are recorded. Before serve().
  void trace(const SpanExport& spans, std::size_t apps);
  /// Gives the spans away that have gathered.
  void hand_over_spans();
  /// Makes servers for `listeners`; adopt() takes their indices.
  void serve(const std::vector<AppRoutes>& apps, const std::vector<ServedListener>& listeners,
             const http::ServerLimits& limits, OtherApps other_apps);
  void adopt(std::size_t listener, net::Accepted connection);
  /// Brings metrics up to date that are not counted as they change.
  void sample();
  /// Ends connections as they fall idle. `drained` runs once, when the last one closed.
  void drain(const std::function<void()>& drained);
  void cancel_calls(Reason why);

 private:
  void run(bool in_batches);
  [[nodiscard]] observe::Tracer* tracer(std::size_t app) const;
  [[nodiscard]] const dapr::AppWays* ways_of(std::string_view app_id) const;
  [[nodiscard]] Bytes most_of_one_body() const;
  void serve_listener(const AppRoutes& app, const ServedListener& listener, const http::ServerLimits& limits);
  /// Makes what answers on a listener, and the server that asks it.
  template <typename Front, typename... Parts>
  void make_server(std::vector<std::unique_ptr<Front>>& fronts, const http::ServerLimits& limits,
                   const ServedListener& listener, Parts&&... parts);
  void log_request(const observe::AccessEntry& entry);
  void flush_log();

  net::Loop loop_;
  observe::LoopMetrics metrics_;
  observe::CallRing calls_;
  const observe::Labels& labels_;
  observe::IdSource ids_;
  std::optional<LoopSpans> spans_;  // set: they are recorded
  observe::AccessLog log_;
  net::Timer flush_timer_;
  BodyBudget* const request_bodies_;  // may be null
  std::unique_ptr<invoke::Invoker> invoker_;
  BodyBudget* const answers_;  // may be null
  dapr::embedded::LocalInvocation invocation_;
  std::optional<LoopWays> ways_;
  std::vector<std::unique_ptr<triggers::Router>> routers_;             // one for each app
  std::vector<std::unique_ptr<triggers::AppChannel>> channels_;        // one for each app; null: it speaks gRPC
  std::vector<std::unique_ptr<triggers::GrpcChannel>> grpc_channels_;  // one for each app; null: it speaks HTTP
  std::vector<std::unique_ptr<triggers::HttpFront>> fronts_;           // these two together one for each listener
  std::vector<std::unique_ptr<triggers::GrpcFront>> grpc_fronts_;
  std::vector<std::unique_ptr<http::Server>> servers_;  // one for each listener
  std::size_t undrained_ = 0;
  std::thread thread_;
};

}  // namespace trilby::app
