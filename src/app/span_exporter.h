/// \file  Brings spans to a collector, in batches, by OpenTelemetry's protocol over HTTP.
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/backoff.h"
#include "base/result.h"
#include "base/units.h"
#include "call/fields.h"
#include "http/client.h"
#include "net/address.h"
#include "net/loop.h"
#include "observe/ids.h"
#include "observe/metrics.h"
#include "observe/tracer.h"

namespace trilby::app {

/// Where one signal goes, and what the collector wants to see. The fields may hold secrets: they are in no message.
struct OtlpTarget {
  net::Address to;
  std::string path;
  Fields fields;
  Duration timeout;  ///< of one request, with its answer
};
/// The request that brings `body`, an encoded message.
[[nodiscard]] http::Request make_otlp_request(const OtlpTarget& target, std::string body);
/// How long a collector wants to be left alone: seconds, of which a minute is granted. A date is not listened to.
[[nodiscard]] Duration retry_after(const Fields& fields);
inline constexpr Bytes kMostOtlpAnswer{64U << 10U};

/// One request at a time is under way. What a collector refuses for now (429, 502, 503, 504) or that does not reach it
/// is sent again, with growing pauses or those that it asks for, five times at most; then, and when it is refused for
/// good, it is dropped and counted. What waits meanwhile is bounded by whoever gives it (SpanQueue::kMaxBacklog).
/// Threading: loop-bound, but for `backlog`. Ownership: what it is made with outlives it.
class SpanExporter {
 public:
  /// \param resources  by SpanBatch::service
  /// \param backlog  is told of bytes that wait no longer
  SpanExporter(net::Loop& loop, http::Client& client, OtlpTarget target, std::vector<std::string> resources,
               std::string_view version, std::atomic<std::size_t>& backlog, observe::ExportMetrics& metrics);
  SpanExporter(const SpanExporter&) = delete;
  SpanExporter& operator=(const SpanExporter&) = delete;

  void add(std::vector<observe::SpanBatch> batches);
  /// Sends what waits, without pauses: what fails from now on is dropped. `done` runs once, when nothing waits any
  /// more.
  void flush(std::function<void()> done);

  static constexpr unsigned kAttempts = 5;
  static constexpr std::size_t kRequestBytes = 1U << 20U;  ///< of spans in one request, if more than a batch

 private:
  void go_on();
  void send();
  void take(Result<http::Response> response);
  void take_refused(std::uint64_t count);
  void send_again(Duration at_least, std::string_view why);
  void drop(observe::Counter& counter, std::string_view why);
  void settle();
  [[nodiscard]] std::uint64_t sending_count() const;
  void say_failing(std::string_view why);
  void say_working();

  http::Client& client_;
  const OtlpTarget target_;
  const std::vector<std::string> resources_;
  const std::string version_;
  std::atomic<std::size_t>& backlog_;
  observe::ExportMetrics& metrics_;
  std::deque<observe::SpanBatch> waiting_;
  std::vector<observe::SpanBatch> sending_;  // under way, or to be sent again
  bool is_under_way_ = false;
  unsigned attempts_ = 0;
  Backoff backoff_;
  observe::IdSource random_;
  net::Timer pause_;
  std::shared_ptr<void> request_;
  std::shared_ptr<void> reading_;
  std::function<void()> flushed_;  // set: it flushes
  bool is_failing_ = false;        // which the log has been told
};

}  // namespace trilby::app
