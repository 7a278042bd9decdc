#include "app/telemetry.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "app/manifest_observe.h"
#include "base/log.h"
#include "observe/ids.h"
#include "observe/otlp.h"

namespace trilby::app {
namespace {

constexpr http::ClientLimits kLimits = {
    .connections = 2, .waiting = 4, .addresses = 2, .head_timeout = kMostOtlpTimeout};

std::uint64_t unix_now() {
  return static_cast<std::uint64_t>(
      std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count());
}

OtlpTarget make_target(const OtlpEndpoint& endpoint, const Fields& headers, Duration timeout) {
  // It was parsed as an IP address when it was read.
  return {net::Address::parse(endpoint.address.host, endpoint.address.port).value(), endpoint.path, headers, timeout};
}

/// \param instance  tells this worker from those before and beside it
std::string make_resource(const Observe& observe, const std::string& service, const std::string& instance) {
  observe::ResourceAttributes attributes = {{"service.instance.id", instance},
                                            {"telemetry.sdk.language", "cpp"},
                                            {"telemetry.sdk.name", "trilby"},
                                            {"telemetry.sdk.version", TRILBY_VERSION}};
  for (const auto& [name, value] : observe.attributes) {
    attributes[name] = value;
  }
  attributes["service.name"] = observe.service_name.empty() ? service : observe.service_name;
  return observe::encode_resource(attributes);
}

}  // namespace

Telemetry::Telemetry(const Manifest& manifest, const Fields& traces_headers, const Fields& metrics_headers,
                     ServingLoop& home, MetricsSource& metrics)
    : manifest_(manifest),
      home_(home),
      metrics_(metrics),
      client_(home.loop(), kLimits),
      began_(unix_now()),
      next_push_(home.loop()) {
  const Observe& observe = manifest.observe;
  observe::IdSource random;
  const std::string instance = fmt::format("{:016x}{:016x}", random.next(), random.next());
  if (observe.traces) {
    std::vector<std::string> resources;
    std::transform(manifest.apps.begin(), manifest.apps.end(), std::back_inserter(resources),
                   [&](const App& app) { return make_resource(observe, app.id, instance); });
    spans_.emplace(home.loop(), client_, make_target(*observe.traces, traces_headers, observe.traces_timeout),
                   std::move(resources), TRILBY_VERSION, backlog_, exports_);
    metrics.set_exports(&exports_);
  }
  if (observe.metrics) {
    metrics_target_ = make_target(*observe.metrics, metrics_headers, observe.metrics_timeout);
    process_ = make_resource(observe, manifest.apps.size() == 1 ? manifest.apps.front().id : "trilby", instance);
    push_later();
  }
}

std::optional<SpanExport> Telemetry::span_export() {
  if (!spans_) {
    return std::nullopt;
  }
  return SpanExport{manifest_.observe.sampler, manifest_.observe.schedule_delay, backlog_,
                    [this](std::vector<observe::SpanBatch> batches) {
                      // A std::function is copyable, and batches are large.
                      auto given = std::make_shared<std::vector<observe::SpanBatch>>(std::move(batches));
                      home_.loop().post([this, given] { spans_->add(std::move(*given)); });
                    }};
}

void Telemetry::push_later() {
  next_push_.start(manifest_.observe.metric_interval, [this] { push_metrics([this] { push_later(); }); });
}

/// They are cumulative, so what did not arrive is not sent again: the next push says the same and more.
void Telemetry::push_metrics(std::function<void()> done) {
  push_.reset();  // one that is still under way says less
  pushed_ = std::move(done);
  metrics_.gather([this] {
    std::string body = metrics_.with([this](const observe::MetricSources& all) {
      observe::OtlpMetrics out(began_, unix_now());
      observe::MetricSources own = all;
      own.supervisor = nullptr;  // the counts of another process, which each worker's instance would add up to more
      observe::write_metrics(own, out);
      return out.finish(process_, TRILBY_VERSION);
    });
    push_ = client_.send(make_otlp_request(*metrics_target_, std::move(body)), Clock::now() + metrics_target_->timeout,
                         [this](Result<http::Response> response) { take(std::move(response)); });
  });
}

void Telemetry::take(Result<http::Response> response) {
  push_.reset();
  if (!response) {
    return end_push(response.error().message);
  }
  if (response->status / 100 != 2) {
    return end_push(fmt::format("the collector answers {}", response->status));
  }
  is_answered_ = false;
  auto reading = read_all(std::move(response->body), kMostOtlpAnswer, [this](const Result<std::string>& body) {
    is_answered_ = true;
    const std::uint64_t refused = body ? observe::refused_count(*body) : 0;
    end_push(refused == 0 ? std::string() : fmt::format("the collector refuses {} data points", refused));
  });
  if (!is_answered_) {
    push_ = std::move(reading);
  }
}

/// \param why  it did not arrive; empty: it did
void Telemetry::end_push(const std::string& why) {
  push_.reset();
  if (!why.empty() && !std::exchange(is_failing_, true)) {
    log::warn("metrics do not reach their collector", {{"why", why}});
  } else if (why.empty() && std::exchange(is_failing_, false)) {
    log::info("metrics reach their collector again");
  }
  if (const auto pushed = std::exchange(pushed_, nullptr)) {
    pushed();
  }
}

void Telemetry::flush(std::function<void()> done) {
  next_push_.cancel();
  push_.reset();  // with which the last one must not be taken for done, nor another begin
  pushed_ = nullptr;
  const auto last = [this, done = std::move(done)] { metrics_target_ ? push_metrics(done) : done(); };
  spans_ ? spans_->flush(last) : last();
}

}  // namespace trilby::app
