/// \file  The admin listener: /livez, /readyz, /metrics, /calls.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/metrics_source.h"
#include "app/watchdog.h"
#include "app/wiring_loop.h"
#include "http/server.h"
#include "net/accepted.h"
#include "observe/metrics.h"

namespace trilby::app {

/// What the worker is doing, as /readyz tells it. Written by one thread, read by any.
enum class WorkerState : std::uint8_t { Starting, Serving, Draining };

/// Answers on the admin listener. Threading: bound to `home`'s loop. Ownership: what it is made with outlives it; it is
/// destroyed on the loop's thread or after that has ended, when the other loops have ended too.
class Admin {
 public:
  /// \param own  of the loops for calls with files and much memory
  Admin(ServingLoop& home, std::vector<ServingLoop*> loops, std::vector<const observe::OwnLoopMetrics*> own,
        const observe::Labels& labels, const std::atomic<WorkerState>& state, const Watchdog& watchdog);

  void adopt(net::Accepted connection);
  [[nodiscard]] MetricsSource& metrics() { return metrics_; }
  /// Lets connections end after their answer. `drained` runs once, when the last one closed.
  void drain(std::function<void()> drained) { server_.drain(std::move(drained)); }

 private:
  void handle(const std::shared_ptr<http::Exchange>& exchange);
  void answer_calls(const std::shared_ptr<http::Exchange>& exchange, std::string_view query);
  void answer_metrics(http::Exchange& exchange) const;

  ServingLoop& home_;
  std::vector<ServingLoop*> loops_;
  const observe::Labels& labels_;
  const std::atomic<WorkerState>& state_;
  const Watchdog& watchdog_;
  MetricsSource metrics_;
  std::map<std::uint64_t, std::shared_ptr<http::Exchange>> questions_;  // for calls
  std::uint64_t next_question_ = 0;
  http::Server server_;
};

}  // namespace trilby::app
