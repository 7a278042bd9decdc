#include "observe/tracer.h"

#include <algorithm>

namespace trilby::observe {
namespace {

constexpr std::chrono::seconds kCompareEvery{1};

}  // namespace

SpanQueue::SpanQueue(std::size_t services, std::atomic<std::size_t>& backlog, Counter& dropped,
                     std::function<void()> wake)
    : backlog_(backlog), dropped_(dropped), wake_(std::move(wake)), batches_(services) {
  compare_clocks(Clock::now());
}

void SpanQueue::compare_clocks(Clock::time_point now) {
  compared_ = now;
  ahead_ = std::chrono::system_clock::now().time_since_epoch() - now.time_since_epoch();
}

bool SpanQueue::has_room() const {
  // Twice a batch: the loop hands over later in its turn.
  return count_ < 2 * kBatchSpans && bytes_ < 2 * kBatchBytes && backlog_.load(std::memory_order_relaxed) < kMaxBacklog;
}

std::uint64_t SpanQueue::unix_time(Clock::time_point at) {
  if (at - compared_ > kCompareEvery) {
    compare_clocks(Clock::now());
  }
  return static_cast<std::uint64_t>((at.time_since_epoch() + ahead_).count());
}

void SpanQueue::finish(std::size_t service) {
  SpanBatch& batch = batches_[service];
  const std::size_t before = batch.spans.size();
  writer_.end(batch.spans);
  ++batch.count;
  const bool was_full = is_full();
  bytes_ += batch.spans.size() - before;
  if (++count_ == 1 || (!was_full && is_full())) {
    wake_();
  }
}

std::vector<SpanBatch> SpanQueue::take() {
  std::vector<SpanBatch> taken;
  for (std::size_t i = 0; i < batches_.size(); ++i) {
    if (batches_[i].count > 0) {
      batches_[i].service = i;
      taken.push_back(std::exchange(batches_[i], {}));
    }
  }
  backlog_.fetch_add(std::exchange(bytes_, 0), std::memory_order_relaxed);
  count_ = 0;
  return taken;
}

SpanIds Tracer::begin(const TraceContext& given, TraceContext& own) {
  ParsedTraceparent made;
  SpanIds ids;
  if (given.traceparent.empty()) {
    made.trace = {new_id(), new_id()};
    made.is_sampled = sampler_.samples(made.trace[1], std::nullopt);
  } else {
    made = parse_traceparent(given.traceparent);
    ids.parent = made.span;
    ids.is_parent_remote = true;
    made.is_sampled = sampler_.samples(made.trace[1], made.is_sampled);
  }
  made.span = new_id();
  ids.trace = made.trace;
  if (made.is_sampled) {
    ids.span = made.span;
    ids.state = given.tracestate;
  }
  own = {make_traceparent(made), given.tracestate};
  return ids;
}

SpanIds Tracer::begin_child(const TraceContext& parent, TraceContext& own) {
  if (parent.traceparent.empty()) {
    own = {};
    return {};
  }
  ParsedTraceparent made = parse_traceparent(parent.traceparent);
  const std::uint64_t above = std::exchange(made.span, new_id());
  own = {make_traceparent(made), parent.tracestate};
  if (!made.is_sampled) {
    return {};
  }
  return {.trace = made.trace, .span = made.span, .parent = above, .state = own.tracestate};
}

std::uint64_t Tracer::new_id() {
  return std::max<std::uint64_t>(ids_.next(), 1);  // zero is no id
}

ClientSpan::ClientSpan(Tracer& tracer, std::string_view operation, std::string_view target, const TraceContext& parent,
                       TraceContext& own)
    : tracer_(tracer), ids_(tracer.begin_child(parent, own)) {
  if (ids_.is_recorded()) {
    operation_ = operation;
    target_ = target;
  }
}

void ClientSpan::end(Reason reason, int status) {
  const SpanIds ids = std::exchange(ids_, {});
  if (!ids.is_recorded()) {
    return;
  }
  tracer_.record(ids, SpanKind::Client, operation_ + ' ' + target_, began_, Clock::now(), [&](SpanWriter& span) {
    span.attribute("trilby.dapr.operation", std::string_view(operation_));
    span.attribute("trilby.dapr.target", std::string_view(target_));
    span.attribute("trilby.reason", name(reason));
    if (status != 0) {
      span.attribute("http.response.status_code", std::int64_t{status});
    }
    if (reason != Reason::Ok || is_failure(SpanKind::Client, status)) {
      span.fail(reason, status);
    }
  });
}

}  // namespace trilby::observe
