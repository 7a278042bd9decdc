/// \file  What /metrics shows, gathered from all loops, for whoever reads it or is sent it.
#pragma once

#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "app/wiring_loop.h"
#include "net/loop.h"
#include "observe/metrics.h"

namespace trilby::app {

/// Threading: bound to `home`'s loop. Ownership: what it is made with outlives it; it is destroyed on the loop's thread
/// or after that has ended, when the other loops have ended too.
class MetricsSource {
 public:
  /// \param own  of the loops for calls with files and much memory
  MetricsSource(ServingLoop& home, std::vector<ServingLoop*> loops, std::vector<const observe::OwnLoopMetrics*> own,
                const observe::Labels& labels);
  MetricsSource(const MetricsSource&) = delete;
  MetricsSource& operator=(const MetricsSource&) = delete;

  /// What the worker gave up. Until it is set nothing is said of it.
  void set_wall(std::vector<observe::WallLayer> wall) { wall_ = std::move(wall); }
  /// The certificates that are served. Until they are set nothing is said of them.
  void set_certificates(std::vector<observe::CertificateExpiry> certificates) {
    certificates_ = std::move(certificates);
  }
  /// What becomes of spans. Until it is set nothing is said of them. It outlives this.
  void set_exports(const observe::ExportMetrics* exports) { exports_ = exports; }

  /// What the supervisor counts; null: nothing is said of it. It outlives this.
  void set_supervisor(const observe::SupervisorMetrics* supervisor) { supervisor_ = supervisor; }

  /// Lets each loop bring its own numbers up to date, and then runs `ready`, later and once. A loop that does not turn
  /// is not waited for: its numbers are then as old as its standstill.
  void gather(std::function<void()> ready);
  /// Calls `use` with how things stand.
  template <typename Use>
  auto with(const Use& use) const {
    std::vector<const observe::LoopMetrics*> metrics;
    metrics.reserve(loops_.size());
    for (const ServingLoop* loop : loops_) {
      metrics.push_back(&loop->metrics());
    }
    return use(observe::MetricSources{labels_, metrics, version(), wall_, own_, exports_, certificates_, supervisor_});
  }

 private:
  [[nodiscard]] static std::string_view version();
  void tell();

  ServingLoop& home_;
  const std::vector<ServingLoop*> loops_;
  const std::vector<const observe::OwnLoopMetrics*> own_;
  const observe::Labels& labels_;
  std::vector<observe::WallLayer> wall_;
  std::vector<observe::CertificateExpiry> certificates_;
  const observe::ExportMetrics* exports_ = nullptr;
  const observe::SupervisorMetrics* supervisor_ = nullptr;
  std::vector<std::function<void()>> waiting_;
  net::Timer patience_;  // with loops that do not bring theirs
};

}  // namespace trilby::app
