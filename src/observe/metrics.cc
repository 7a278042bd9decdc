#include "observe/metrics.h"

#include <algorithm>

#include "base/log.h"
#include "observe/process.h"

namespace trilby::observe {
namespace {

constexpr double kNanoseconds = 1e9;  // per second

std::uint64_t count_of(Duration duration) {
  return static_cast<std::uint64_t>(std::max(duration, Duration::zero()).count());
}

std::size_t request_index(std::size_t method, std::size_t status, std::size_t reason) {
  return (method * kStatusClasses + status) * kReasonCount + reason;
}

}  // namespace

std::size_t method_class(std::string_view method) {
  const auto at = std::find(kMethodClasses.begin(), kMethodClasses.end() - 1, method);
  return static_cast<std::size_t>(at - kMethodClasses.begin());
}

std::size_t Labels::add_route(std::string_view app, std::string_view route) {
  const auto at = std::find_if(routes_.begin(), routes_.end(),
                               [&](const Route& known) { return known.app == app && known.route == route; });
  if (at != routes_.end()) {
    return static_cast<std::size_t>(at - routes_.begin());
  }
  routes_.push_back({std::string(app), std::string(route), false});
  return routes_.size() - 1;
}

std::size_t Labels::add_function(std::string_view name) {
  const auto at = std::find(functions_.begin(), functions_.end(), name);
  if (at != functions_.end()) {
    return static_cast<std::size_t>(at - functions_.begin());
  }
  functions_.emplace_back(name);
  return functions_.size() - 1;
}

std::size_t Labels::add_output(std::string_view app, std::string_view kind, std::string_view to) {
  const auto at = std::find_if(outputs_.begin(), outputs_.end(), [&](const Output& known) {
    return known.app == app && known.kind == kind && known.to == to;
  });
  if (at != outputs_.end()) {
    return static_cast<std::size_t>(at - outputs_.begin());
  }
  outputs_.push_back({std::string(app), std::string(kind), std::string(to)});
  return outputs_.size() - 1;
}

std::size_t Labels::add_tls_listener(std::string_view app, std::string_view listener) {
  tls_listeners_.push_back({std::string(app), std::string(listener)});
  return tls_listeners_.size() - 1;
}

LoopMetrics::LoopMetrics(const Labels& labels)
    : routes_(labels.routes().size()),
      functions_(labels.functions().size()),
      outputs_(labels.outputs().size()),
      handshakes_(labels.tls_listeners().size()),
      given_up_(labels.routes().size()) {}

void LoopMetrics::count_request(const RequestSample& sample) {
  RouteMetrics* route = routes_[sample.route].load(std::memory_order_relaxed);
  if (route == nullptr) {
    route = owned_routes_.emplace_back(std::make_unique<RouteMetrics>()).get();
    routes_[sample.route].store(route, std::memory_order_release);
  }
  const int status = std::clamp(sample.status / 100, 1, static_cast<int>(kStatusClasses)) - 1;
  route
      ->requests[request_index(sample.method, static_cast<std::size_t>(status),
                               static_cast<std::size_t>(sample.reason))]
      .add();
  route->duration.observe(count_of(sample.duration));
  route->response_bytes.add(sample.response_bytes);
}

void LoopMetrics::call_started(std::size_t function) {
  functions_[function].live.add(1);
}

void LoopMetrics::call_ended(std::size_t function, Reason reason, const Record& record) {
  FunctionMetrics& metrics = functions_[function];
  metrics.live.add(-1);
  metrics.calls[static_cast<std::size_t>(reason)].add();
  metrics.queued.observe(count_of(record.queued));
  for (std::size_t kind = 0; record.denials.total() > 0 && kind < kGrantKinds; ++kind) {
    metrics.denials[kind].add(record.denials.of(static_cast<Grant>(kind)));
  }
  metrics.log_lines_dropped.add(record.log_lines_dropped);
  if (record.wall == Duration::zero()) {
    return;  // refused before it had a sandbox: zeros would hide what running costs
  }
  metrics.instantiate.observe(count_of(record.instantiate));
  metrics.cpu.observe(count_of(record.cpu));
  metrics.run.observe(count_of(record.run));
  metrics.wall.observe(count_of(record.wall));
  metrics.input.observe(record.input.count);
  metrics.output.observe(record.output.count);
  metrics.memory_peak.observe(record.memory_peak.count);
  if (record.inferences > 0) {
    metrics.inferences.add(record.inferences);
    metrics.inference.observe(count_of(record.inference));
  }
}

void LoopMetrics::output_ended(std::size_t output, Reason reason, Duration duration) {
  OutputMetrics& metrics = outputs_[output];
  metrics.sent[static_cast<std::size_t>(reason)].add();
  metrics.duration.observe(count_of(duration));
}

/// Sums the loops, family by family.
class Page {
 public:
  Page(const MetricSources& sources, MetricWriter& out)
      : sources_(sources), labels_(sources.labels), loops_(sources.loops), out_(out) {}

  void write() {
    requests();
    calls();
    events();
    outputs();
    tls();
    worker(sources_.version);
    supervisor();
    spans();
    own_loops(sources_.own);
    lockdown(sources_.wall);
    process();
  }

 private:
  using RouteMetrics = LoopMetrics::RouteMetrics;
  using FunctionMetrics = LoopMetrics::FunctionMetrics;
  using OutputMetrics = LoopMetrics::OutputMetrics;

  // Each of these finds the block of one index in one loop; null when that loop has none yet.
  static const RouteMetrics* block(const LoopMetrics& loop, std::size_t index, const RouteMetrics* /*kind*/) {
    return loop.routes_[index].load(std::memory_order_acquire);
  }
  static const FunctionMetrics* block(const LoopMetrics& loop, std::size_t index, const FunctionMetrics* /*kind*/) {
    return &loop.functions_[index];
  }
  static const OutputMetrics* block(const LoopMetrics& loop, std::size_t index, const OutputMetrics* /*kind*/) {
    return &loop.outputs_[index];
  }

  /// Adds up what `read` sees in the block of `index`, over all loops.
  template <typename Block, typename Read>
  [[nodiscard]] auto sum(std::size_t index, const Read& read) const {
    decltype(read(std::declval<const Block&>())) total{};
    for (const LoopMetrics* loop : loops_) {
      if (const Block* found = block(*loop, index, static_cast<const Block*>(nullptr))) {
        total += read(*found);
      }
    }
    return total;
  }

  template <typename Block, const auto& kBounds>
  void histogram(const LabelSet& labels, std::size_t index, Histogram<kBounds> Block::* member, double scale) {
    std::array<std::uint64_t, kBounds.size() + 1> buckets{};
    for (std::size_t i = 0; i < buckets.size(); ++i) {
      buckets[i] = sum<Block>(index, [&](const Block& metrics) { return (metrics.*member).bucket(i); });
    }
    const std::uint64_t total = sum<Block>(index, [&](const Block& metrics) { return (metrics.*member).sum(); });
    out_.histogram(labels, kBounds, buckets, total, scale);
  }

  [[nodiscard]] LabelSet route_labels(std::size_t route) const {
    return LabelSet().add("app", labels_.routes()[route].app).add("route", labels_.routes()[route].route);
  }
  [[nodiscard]] LabelSet function_labels(std::size_t function) const {
    return LabelSet().add("function", labels_.functions()[function]);
  }

  void request_counts(std::size_t route) {
    for (std::size_t method = 0; method < kMethodClasses.size(); ++method) {
      for (std::size_t status = 0; status < kStatusClasses; ++status) {
        for (std::size_t reason = 0; reason < kReasonCount; ++reason) {
          const auto index = request_index(method, status, reason);
          const auto count = sum<RouteMetrics>(route, [&](const RouteMetrics& m) { return m.requests[index].value(); });
          if (count > 0) {
            out_.sample(route_labels(route)
                            .add("method", kMethodClasses[method])
                            .add("status", std::to_string(status + 1) + "xx")
                            .add("reason", name(static_cast<Reason>(reason))),
                        count);
          }
        }
      }
    }
  }

  void requests() {
    const std::size_t routes = labels_.routes().size();
    const auto asked = [&](std::size_t route) {
      return sum<RouteMetrics>(route, [](const RouteMetrics&) { return 1; }) > 0;
    };
    out_.family("trilby_http_requests_total", MetricType::Counter, "", "Requests answered.");
    for (std::size_t route = 0; route < routes; ++route) {
      request_counts(route);
    }
    out_.family("trilby_http_request_duration_seconds", MetricType::Histogram, "seconds",
                "Time from the end of a request's head to the end of its answer.");
    for (std::size_t route = 0; route < routes; ++route) {
      if (asked(route)) {
        histogram(route_labels(route), route, &RouteMetrics::duration, kNanoseconds);
      }
    }
    out_.family("trilby_http_response_bytes_total", MetricType::Counter, "", "Bytes of answers' bodies.");
    for (std::size_t route = 0; route < routes; ++route) {
      if (asked(route)) {
        out_.sample(route_labels(route),
                    sum<RouteMetrics>(route, [](const RouteMetrics& m) { return m.response_bytes.value(); }));
      }
    }
  }

  template <const auto& kBounds>
  void per_function(std::string_view name, std::string_view unit, std::string_view help,
                    Histogram<kBounds> FunctionMetrics::* member, double scale) {
    out_.family(name, MetricType::Histogram, unit, help);
    for (std::size_t function = 0; function < labels_.functions().size(); ++function) {
      histogram(function_labels(function), function, member, scale);
    }
  }

  void counter_per_function(std::string_view name, std::string_view help, Counter FunctionMetrics::* member) {
    out_.family(name, MetricType::Counter, "", help);
    for (std::size_t function = 0; function < labels_.functions().size(); ++function) {
      out_.sample(function_labels(function),
                  sum<FunctionMetrics>(function, [&](const FunctionMetrics& m) { return (m.*member).value(); }));
    }
  }

  void calls() {
    const std::size_t functions = labels_.functions().size();
    out_.family("trilby_calls_total", MetricType::Counter, "", "Calls of functions, by how they ended.");
    for (std::size_t function = 0; function < functions; ++function) {
      for (std::size_t reason = 0; reason < kReasonCount; ++reason) {
        const auto count =
            sum<FunctionMetrics>(function, [&](const FunctionMetrics& m) { return m.calls[reason].value(); });
        if (count > 0 || static_cast<Reason>(reason) == Reason::Ok) {
          out_.sample(function_labels(function).add("reason", name(static_cast<Reason>(reason))), count);
        }
      }
    }
    out_.family("trilby_calls_live", MetricType::Gauge, "", "Calls that wait or run.");
    for (std::size_t function = 0; function < functions; ++function) {
      out_.sample(function_labels(function),
                  sum<FunctionMetrics>(function, [](const FunctionMetrics& m) { return m.live.value(); }));
    }
    out_.family("trilby_call_denials_total", MetricType::Counter, "",
                "What guests asked for and were refused, by what would have to be granted.");
    for (std::size_t function = 0; function < functions; ++function) {
      for (std::size_t kind = 0; kind < kGrantKinds; ++kind) {
        out_.sample(function_labels(function).add("grant", name(static_cast<Grant>(kind))),
                    sum<FunctionMetrics>(function, [&](const FunctionMetrics& m) { return m.denials[kind].value(); }));
      }
    }
    counter_per_function("trilby_call_log_dropped_lines_total", "Lines on standard error over the function's rate.",
                         &FunctionMetrics::log_lines_dropped);
    counter_per_function("trilby_call_inferences_total", "Inferences that calls waited for.",
                         &FunctionMetrics::inferences);
    per_function("trilby_call_queue_seconds", "seconds", "Time that calls waited for a slot.", &FunctionMetrics::queued,
                 kNanoseconds);
    per_function("trilby_call_instantiate_seconds", "seconds", "Time to make a sandbox.", &FunctionMetrics::instantiate,
                 kNanoseconds);
    per_function("trilby_call_cpu_seconds", "seconds", "CPU time of guests.", &FunctionMetrics::cpu, kNanoseconds);
    per_function("trilby_call_run_seconds", "seconds",
                 "Time from a guest's first step to its last, its waits included.", &FunctionMetrics::run,
                 kNanoseconds);
    per_function("trilby_call_wall_seconds", "seconds", "Time from its slot to the end of the guest.",
                 &FunctionMetrics::wall, kNanoseconds);
    per_function("trilby_call_memory_peak_bytes", "bytes", "Most memory that a call held.",
                 &FunctionMetrics::memory_peak, 1);
    per_function("trilby_call_input_bytes", "bytes", "Bytes that a call was given.", &FunctionMetrics::input, 1);
    per_function("trilby_call_output_bytes", "bytes", "Bytes that a call wrote.", &FunctionMetrics::output, 1);
    per_function("trilby_call_inference_seconds", "seconds", "Time that a call waited for its inferences.",
                 &FunctionMetrics::inference, kNanoseconds);
  }

  void events() {
    const auto& routes = labels_.routes();
    if (std::none_of(routes.begin(), routes.end(), [](const Labels::Route& route) { return route.gives_up; })) {
      return;
    }
    out_.family("trilby_events_given_up_total", MetricType::Counter, "",
                "Events that failed as often as they may and were dropped.");
    for (std::size_t route = 0; route < routes.size(); ++route) {
      if (!routes[route].gives_up) {
        continue;
      }
      std::uint64_t count = 0;
      for (const LoopMetrics* loop : loops_) {
        count += loop->given_up_[route].value();
      }
      out_.sample(LabelSet().add("app", routes[route].app).add("trigger", routes[route].route), count);
    }
  }

  void outputs() {
    if (labels_.outputs().empty()) {
      return;
    }
    const auto labels = [&](std::size_t output) {
      const Labels::Output& named = labels_.outputs()[output];
      return LabelSet().add("app", named.app).add("kind", named.kind).add("to", named.to);
    };
    out_.family("trilby_outputs_total", MetricType::Counter, "",
                "Times that what a function returned was sent on, by how that ended.");
    for (std::size_t output = 0; output < labels_.outputs().size(); ++output) {
      for (std::size_t reason = 0; reason < kReasonCount; ++reason) {
        const auto count = sum<OutputMetrics>(output, [&](const OutputMetrics& m) { return m.sent[reason].value(); });
        if (count > 0 || static_cast<Reason>(reason) == Reason::Ok) {
          out_.sample(labels(output).add("reason", name(static_cast<Reason>(reason))), count);
        }
      }
    }
    out_.family("trilby_output_seconds", MetricType::Histogram, "seconds",
                "Time until what was sent on was acknowledged, or failed.");
    for (std::size_t output = 0; output < labels_.outputs().size(); ++output) {
      histogram(labels(output), output, &OutputMetrics::duration, kNanoseconds);
    }
  }

  void tls() {
    const auto& listeners = labels_.tls_listeners();
    if (!listeners.empty()) {
      out_.family("trilby_tls_handshakes_total", MetricType::Counter, "", "Handshakes of TLS, by how they ended.");
    }
    for (std::size_t listener = 0; listener < listeners.size(); ++listener) {
      for (std::size_t end = 0; end < kHandshakeEnds.size(); ++end) {
        std::uint64_t count = 0;
        for (const LoopMetrics* loop : loops_) {
          count += loop->handshakes_[listener].ended.at(end).value();
        }
        out_.sample(LabelSet()
                        .add("app", listeners[listener].app)
                        .add("listener", listeners[listener].listener)
                        .add("result", kHandshakeEnds.at(end)),
                    count);
      }
    }
    if (!sources_.certificates.empty()) {
      out_.family("trilby_tls_certificate_expiration_timestamp_seconds", MetricType::Gauge, "seconds",
                  "When the certificate that is served ends to be valid, or the first of those that are sent with it.");
    }
    for (const CertificateExpiry& certificate : sources_.certificates) {
      out_.sample(LabelSet().add("app", certificate.app), certificate.valid_until);
    }
  }

  template <typename Value>
  void one(std::string_view name, MetricType type, std::string_view unit, std::string_view help, Value value) {
    out_.family(name, type, unit, help);
    out_.sample(LabelSet(), value);
  }

  void per_loop(std::string_view name, std::string_view help, Gauge LoopMetrics::* member) {
    out_.family(name, MetricType::Gauge, "", help);
    for (std::size_t i = 0; i < loops_.size(); ++i) {
      out_.sample(LabelSet().add("loop", std::to_string(i)), (loops_[i]->*member).value());
    }
  }

  void worker(std::string_view version) {
    std::int64_t connections = 0;
    std::int64_t live = 0;
    std::uint64_t dropped = 0;
    std::uint64_t sent = 0;
    std::uint64_t stalls = 0;
    std::int64_t longest_wait = 0;
    for (const LoopMetrics* loop : loops_) {
      connections += loop->connections.value();
      live += loop->live_requests.value();
      dropped += loop->dropped_log_lines.value();
      sent += loop->calls_sent.value();
      stalls += loop->stall.stalls.value();
      longest_wait = std::max(longest_wait, loop->stall.longest_wait.value());
    }
    one("trilby_http_connections", MetricType::Gauge, "", "Open connections of the apps' listeners.", connections);
    one("trilby_http_requests_live", MetricType::Gauge, "", "Requests that are being answered.", live);
    out_.family("trilby_log_dropped_lines_total", MetricType::Counter, "",
                "Lines of the log lost to a reader that was too slow or gone, or to a full disk.");
    out_.sample(LabelSet().add("log", "access"), dropped);
    out_.sample(LabelSet().add("log", "program"), log::dropped_lines());
    per_loop("trilby_loop_connections", "Open connections of the apps' listeners, by event loop.",
             &LoopMetrics::connections);
    per_loop("trilby_loop_requests_live", "Requests that are being answered, by event loop.",
             &LoopMetrics::live_requests);
    one("trilby_loops", MetricType::Gauge, "", "Event loops.", loops_.size());
    one("trilby_calls_sent_total", MetricType::Counter, "",
        "Calls that compute and went to another event loop, where fewer of them were.", sent);
    one("trilby_loop_stalls_total", MetricType::Counter, "", "Times that an event loop did not turn for a second.",
        stalls);
    one("trilby_loop_longest_wait_seconds", MetricType::Gauge, "seconds",
        "The longest that an event loop let the watchdog wait, which asks twice a second.",
        static_cast<double>(longest_wait) / kNanoseconds);
    out_.family("trilby_build_info", MetricType::Gauge, "", "Always 1; the labels say what runs.");
    out_.sample(LabelSet().add("version", version), 1);
  }

  void attempts(std::string_view name, std::string_view help, const SupervisorMetrics::Attempts& counts) {
    out_.family(name, MetricType::Counter, "", help);
    out_.sample(LabelSet().add("result", "ok"), counts.done.value());
    out_.sample(LabelSet().add("result", "failed"), counts.failed.value());
  }

  void supervisor() {
    if (sources_.supervisor == nullptr) {
      return;
    }
    attempts("trilby_reloads_total", "Reloads of the manifest and all that it names.", sources_.supervisor->reloads);
    attempts("trilby_certificate_renewals_total", "New workers for certificates that had changed.",
             sources_.supervisor->renewals);
    one("trilby_worker_crashes_total", MetricType::Counter, "", "Workers that died while they served.",
        sources_.supervisor->crashes.value());
  }

  void spans() {
    if (sources_.exports == nullptr) {
      return;
    }
    const ExportMetrics& exports = *sources_.exports;
    one("trilby_spans_exported_total", MetricType::Counter, "", "Spans that the collector took.",
        exports.exported.value());
    std::uint64_t no_room = 0;
    for (const LoopMetrics* loop : loops_) {
      no_room += loop->dropped_spans.value();
    }
    for (const OwnLoopMetrics* loop : sources_.own) {
      no_room += loop->dropped_spans.value();
    }
    out_.family(
        "trilby_spans_dropped_total", MetricType::Counter, "",
        "Spans that were lost: there was no room for them, or the collector refused them or was not to be reached.");
    out_.sample(LabelSet().add("why", "no-room"), no_room);
    out_.sample(LabelSet().add("why", "refused"), exports.refused.value());
    out_.sample(LabelSet().add("why", "unreachable"), exports.unreachable.value());
  }

  void own_loops(std::span<const OwnLoopMetrics* const> own) {
    if (own.empty()) {
      return;
    }
    one("trilby_own_loops", MetricType::Gauge, "", "Loops for calls of functions with files or much memory.",
        own.size());
    out_.family("trilby_own_loop_calls_live", MetricType::Gauge, "",
                "Calls that run on such a loop; one whose caller was answered at its limit stays until its file does.");
    for (std::size_t i = 0; i < own.size(); ++i) {
      out_.sample(LabelSet().add("loop", std::to_string(i)), own[i]->calls.value());
    }
    out_.family("trilby_own_loop_stalls_total", MetricType::Counter, "",
                "Times that such a loop did not turn for ten seconds.");
    for (std::size_t i = 0; i < own.size(); ++i) {
      out_.sample(LabelSet().add("loop", std::to_string(i)), own[i]->stall.stalls.value());
    }
    out_.family("trilby_own_loop_longest_wait_seconds", MetricType::Gauge, "seconds",
                "The longest that such a loop let the watchdog wait.");
    for (std::size_t i = 0; i < own.size(); ++i) {
      out_.sample(LabelSet().add("loop", std::to_string(i)),
                  static_cast<double>(own[i]->stall.longest_wait.value()) / kNanoseconds);
    }
  }

  void lockdown(std::span<const WallLayer> wall) {
    if (wall.empty()) {
      return;  // the worker has not got so far
    }
    out_.family("trilby_lockdown", MetricType::Gauge, "", "1 when this layer of the worker's outer wall is in force.");
    for (const WallLayer& layer : wall) {
      out_.sample(LabelSet().add("layer", layer.name), layer.on ? 1 : 0);
    }
  }

  void process() {
    const ProcessFacts facts = process_facts();
    one("process_resident_memory_bytes", MetricType::Gauge, "bytes", "Resident memory.", facts.resident_bytes);
    one("process_cpu_seconds_total", MetricType::Counter, "seconds", "User and system CPU time.", facts.cpu_seconds);
    one("process_open_fds", MetricType::Gauge, "", "Open file descriptors.", facts.open_fds);
    one("process_max_fds", MetricType::Gauge, "", "Most file descriptors that may be open.", facts.max_fds);
    one("process_start_time_seconds", MetricType::Gauge, "seconds", "Start of the process since the epoch.",
        facts.start_time_seconds);
  }

  const MetricSources& sources_;
  const Labels& labels_;
  std::span<const LoopMetrics* const> loops_;
  MetricWriter& out_;
};

void write_metrics(const MetricSources& sources, MetricWriter& out) {
  Page(sources, out).write();
}

std::string render_metrics(const MetricSources& sources, TextFormat format) {
  TextWriter out(format);
  write_metrics(sources, out);
  return out.finish();
}

}  // namespace trilby::observe
