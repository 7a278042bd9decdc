/// \file  What Trilby counts. Labels come from the manifest and from closed tables only, so that no caller can add a
/// series.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/reason.h"
#include "base/units.h"
#include "call/call.h"
#include "observe/exposition.h"
#include "observe/handshake.h"
#include "observe/metric.h"
#include "observe/supervisor_metrics.h"

namespace trilby::observe {

/// HTTP methods that have a series of their own; all others share one.
inline constexpr std::array<std::string_view, 8> kMethodClasses = {"GET",   "HEAD",   "POST",    "PUT",
                                                                   "PATCH", "DELETE", "OPTIONS", "other"};
inline constexpr std::size_t kStatusClasses = 5;  ///< 1xx to 5xx

[[nodiscard]] std::size_t method_class(std::string_view method);

/// The label values of everything that is counted. Indices into its lists name what a count is about.
/// Ownership: complete before the first LoopMetrics is made from it, and outlives them.
class Labels {
 public:
  struct Route {
    std::string app;
    std::string route;      ///< as in the manifest; "" for requests that match no route
    bool gives_up = false;  ///< it is a trigger whose events come to an end (LoopMetrics::event_given_up)
  };
  /// Where what functions returned goes.
  struct Output {
    std::string app;
    std::string kind;  ///< "publish", "state", "binding", "invoke"
    std::string to;    ///< as in the manifest
  };
  /// A listener that speaks TLS.
  struct TlsListener {
    std::string app;
    std::string listener;  ///< "channel", "public"
  };

  /// \return the index; that of the earlier one when the same was added before
  std::size_t add_route(std::string_view app, std::string_view route);
  void set_gives_up(std::size_t route) { routes_[route].gives_up = true; }
  std::size_t add_function(std::string_view name);
  std::size_t add_output(std::string_view app, std::string_view kind, std::string_view to);
  std::size_t add_tls_listener(std::string_view app, std::string_view listener);

  [[nodiscard]] const std::vector<Route>& routes() const { return routes_; }
  [[nodiscard]] const std::vector<std::string>& functions() const { return functions_; }
  [[nodiscard]] const std::vector<Output>& outputs() const { return outputs_; }
  [[nodiscard]] const std::vector<TlsListener>& tls_listeners() const { return tls_listeners_; }

 private:
  std::vector<Route> routes_;
  std::vector<std::string> functions_;
  std::vector<Output> outputs_;
  std::vector<TlsListener> tls_listeners_;
};

/// One answered request.
struct RequestSample {
  std::size_t route = 0;
  std::size_t method = 0;  ///< method_class()
  int status = 0;          ///< 100..599
  Reason reason = Reason::Internal;
  Duration duration{};
  std::uint64_t response_bytes = 0;  ///< of the body
};

/// What the watchdog found out about one loop. Threading: written by the watchdog only; read by anyone.
struct StallMetrics {
  Counter stalls;
  Gauge longest_wait;  ///< nanoseconds that its sign of life took
};

/// The counts of one loop. Threading: written on that loop only; read by anyone.
/// Cost: a request and its call are a few dozen plain stores; no locks, no allocation after a route's first request.
class LoopMetrics {
 public:
  explicit LoopMetrics(const Labels& labels);
  LoopMetrics(const LoopMetrics&) = delete;
  LoopMetrics& operator=(const LoopMetrics&) = delete;

  void count_request(const RequestSample& sample);
  void call_started(std::size_t function);
  void call_ended(std::size_t function, Reason reason, const Record& record);
  void output_ended(std::size_t output, Reason reason, Duration duration);
  void event_given_up(std::size_t route) { given_up_[route].add(); }

  /// \param listener  an index of Labels::tls_listeners()
  [[nodiscard]] HandshakeMetrics& handshakes(std::size_t listener) { return handshakes_[listener]; }

  Gauge connections;
  Gauge live_requests;
  Counter dropped_log_lines;
  Counter dropped_spans;  ///< for which there was no room
  Counter calls_sent;     ///< to other loops that serve (invoke::SiblingLoops)
  StallMetrics stall;

 private:
  friend class Page;

  struct RouteMetrics {
    std::array<Counter, kMethodClasses.size() * kStatusClasses * kReasonCount> requests;
    DurationHistogram duration;
    Counter response_bytes;
  };
  struct FunctionMetrics {
    Gauge live;
    std::array<Counter, kReasonCount> calls;
    DurationHistogram queued;
    DurationHistogram instantiate;
    DurationHistogram cpu;
    DurationHistogram run;
    DurationHistogram wall;
    MemoryHistogram memory_peak;
    BodyHistogram input;
    BodyHistogram output;
    std::array<Counter, kGrantKinds> denials;
    Counter log_lines_dropped;
    Counter inferences;
    DurationHistogram inference;
  };

  struct OutputMetrics {
    std::array<Counter, kReasonCount> sent;
    DurationHistogram duration;
  };

  // A route's block is some kilobytes, so it is made when the route is first asked for.
  std::vector<std::atomic<RouteMetrics*>> routes_;
  std::vector<std::unique_ptr<RouteMetrics>> owned_routes_;
  std::vector<FunctionMetrics> functions_;
  std::vector<OutputMetrics> outputs_;
  std::vector<HandshakeMetrics> handshakes_;
  std::vector<Counter> given_up_;  // events, of each route
};

/// The counts of one of the loops that run the calls of functions with files and with much memory. Threading: written
/// on that loop only, but `stall` as it says; read by anyone.
struct OwnLoopMetrics {
  Gauge calls;            ///< that run there
  Counter dropped_spans;  ///< for which there was no room
  StallMetrics stall;
};

/// A layer of the worker's outer wall, and whether it is in force.
struct WallLayer {
  std::string_view name;
  bool on = false;
};

/// A certificate that is served.
struct CertificateExpiry {
  std::string app;
  std::int64_t valid_until = 0;  ///< seconds since the epoch; of what is sent with it too
};

/// What became of spans that were handed over. Threading: written on the loop that exports them; read by anyone.
struct ExportMetrics {
  Counter exported;
  Counter refused;      ///< by the collector
  Counter unreachable;  ///< given up: no collector took them in time
};

/// Whatever is shown: the sum of all loops, and facts about the process. Ownership: refers to all of it.
struct MetricSources {
  const Labels& labels;
  std::span<const LoopMetrics* const> loops;
  std::string_view version;
  std::span<const WallLayer> wall;             ///< empty before there is one
  std::span<const OwnLoopMetrics* const> own;  ///< empty where no function needs such loops
  const ExportMetrics* exports = nullptr;      ///< null where no spans are exported
  std::span<const CertificateExpiry> certificates = {};
  const SupervisorMetrics* supervisor = nullptr;  ///< null where there is none
};
void write_metrics(const MetricSources& sources, MetricWriter& out);

/// The page that /metrics shows.
[[nodiscard]] std::string render_metrics(const MetricSources& sources, TextFormat format);
[[nodiscard]] inline std::string render_metrics(const Labels& labels, std::span<const LoopMetrics* const> loops,
                                                std::string_view version, TextFormat format,
                                                std::span<const WallLayer> wall = {},
                                                std::span<const OwnLoopMetrics* const> own = {}) {
  return render_metrics(MetricSources{labels, loops, version, wall, own}, format);
}

}  // namespace trilby::observe
