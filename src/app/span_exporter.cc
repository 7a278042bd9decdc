#include "app/span_exporter.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>
#include <utility>

#include "base/log.h"
#include "observe/otlp.h"

namespace trilby::app {
namespace {

constexpr Backoff kBackoff{std::chrono::seconds(1), std::chrono::seconds(30)};
constexpr std::chrono::seconds kLongestWish{60};  // of a collector

bool is_for_now(int status) {
  return status == 429 || status == 502 || status == 503 || status == 504;
}

}  // namespace

Duration retry_after(const Fields& fields) {
  const std::string* const text = fields.find("retry-after");
  if (text == nullptr) {
    return {};
  }
  std::uint32_t seconds = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), seconds);
  if (end != text->data() + text->size() || error == std::errc::invalid_argument) {
    return {};
  }
  return error == std::errc{} ? std::min<Duration>(std::chrono::seconds(seconds), kLongestWish) : kLongestWish;
}

http::Request make_otlp_request(const OtlpTarget& target, std::string body) {
  http::Request request{.to = target.to, .method = "POST", .target = target.path, .fields = target.fields};
  request.fields.set("content-type", "application/x-protobuf");
  request.fields.set("user-agent", "Trilby");
  request.body = make_body(std::move(body));
  return request;
}

SpanExporter::SpanExporter(net::Loop& loop, http::Client& client, OtlpTarget target, std::vector<std::string> resources,
                           std::string_view version, std::atomic<std::size_t>& backlog, observe::ExportMetrics& metrics)
    : client_(client),
      target_(std::move(target)),
      resources_(std::move(resources)),
      version_(version),
      backlog_(backlog),
      metrics_(metrics),
      backoff_(kBackoff),
      pause_(loop) {}

void SpanExporter::add(std::vector<observe::SpanBatch> batches) {
  std::move(batches.begin(), batches.end(), std::back_inserter(waiting_));
  go_on();
}

void SpanExporter::flush(std::function<void()> done) {
  flushed_ = std::move(done);
  if (pause_.running()) {
    pause_.cancel();
    return send();
  }
  go_on();
}

void SpanExporter::go_on() {
  if (is_under_way_ || pause_.running()) {
    return;
  }
  std::size_t bytes = 0;
  while (!waiting_.empty() && (bytes == 0 || bytes + waiting_.front().spans.size() <= kRequestBytes)) {
    bytes += waiting_.front().spans.size();
    sending_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  if (!sending_.empty()) {
    attempts_ = 0;
    return send();
  }
  if (const auto flushed = std::exchange(flushed_, nullptr)) {
    flushed();
  }
}

void SpanExporter::send() {
  is_under_way_ = true;
  ++attempts_;
  request_ = client_.send(make_otlp_request(target_, observe::trace_request(resources_, sending_, version_)),
                          Clock::now() + target_.timeout,
                          [this](Result<http::Response> response) { take(std::move(response)); });
}

void SpanExporter::take(Result<http::Response> response) {
  request_.reset();
  if (!response) {
    if (response.error().reason == Reason::Draining) {
      return;  // the client is gone, and this goes
    }
    return send_again({}, response.error().message);
  }
  const int status = response->status;
  if (status / 100 == 2) {
    reading_ = read_all(std::move(response->body), kMostOtlpAnswer, [this](const Result<std::string>& body) {
      take_refused(body ? observe::refused_count(*body) : 0);
    });
    if (!is_under_way_) {  // it has been read
      reading_.reset();
      go_on();
    }
    return;
  }
  const std::string why = fmt::format("the collector answers {}", status);
  if (is_for_now(status)) {
    return send_again(retry_after(response->fields), why);
  }
  backoff_.reset();  // it was reached
  drop(metrics_.refused, why);
}

/// They arrived. May run inside read_all().
void SpanExporter::take_refused(std::uint64_t count) {
  const std::uint64_t all = sending_count();
  const std::uint64_t refused = std::min(count, all);
  metrics_.refused.add(refused);
  metrics_.exported.add(all - refused);
  backoff_.reset();
  if (refused > 0) {
    say_failing(fmt::format("the collector refuses {} of {} spans", refused, all));
  } else {
    say_working();
  }
  settle();
  if (reading_) {
    const auto done = std::exchange(reading_, nullptr);  // until this returns
    go_on();
  }
}

void SpanExporter::send_again(Duration at_least, std::string_view why) {
  if (flushed_ || attempts_ == kAttempts) {
    return drop(metrics_.unreachable, why);
  }
  say_failing(why);
  is_under_way_ = false;
  const Duration pause = backoff_.next();
  const auto jitter = static_cast<Duration::rep>(random_.next() % static_cast<std::uint64_t>(pause.count() / 4));
  pause_.start(std::max(pause + Duration(jitter), at_least), [this] { send(); });
}

void SpanExporter::drop(observe::Counter& counter, std::string_view why) {
  counter.add(sending_count());
  say_failing(why);
  settle();
  if (flushed_ && &counter == &metrics_.unreachable) {  // the others will not reach it either
    sending_.assign(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(waiting_.end()));
    waiting_.clear();
    counter.add(sending_count());
    settle();
  }
  go_on();
}

void SpanExporter::settle() {
  is_under_way_ = false;
  for (const observe::SpanBatch& batch : std::exchange(sending_, {})) {
    backlog_.fetch_sub(batch.spans.size(), std::memory_order_relaxed);
  }
}

std::uint64_t SpanExporter::sending_count() const {
  return std::accumulate(sending_.begin(), sending_.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const observe::SpanBatch& batch) { return sum + batch.count; });
}

void SpanExporter::say_failing(std::string_view why) {
  if (!std::exchange(is_failing_, true)) {
    log::warn("spans do not reach their collector", {{"why", why}});
  }
}

void SpanExporter::say_working() {
  if (std::exchange(is_failing_, false)) {
    log::info("spans reach their collector again");
  }
}

}  // namespace trilby::app
