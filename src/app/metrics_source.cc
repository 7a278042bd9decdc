#include "app/metrics_source.h"

#include <atomic>
#include <chrono>
#include <memory>

namespace trilby::app {
namespace {

constexpr std::chrono::seconds kPatience{1};

}  // namespace

MetricsSource::MetricsSource(ServingLoop& home, std::vector<ServingLoop*> loops,
                             std::vector<const observe::OwnLoopMetrics*> own, const observe::Labels& labels)
    : home_(home), loops_(std::move(loops)), own_(std::move(own)), labels_(labels), patience_(home.loop()) {}

std::string_view MetricsSource::version() {
  return TRILBY_VERSION;
}

/// The last loop to bring its numbers sends for those who wait. Who asks meanwhile is told with them.
void MetricsSource::gather(std::function<void()> ready) {
  waiting_.push_back(std::move(ready));
  if (waiting_.size() > 1) {
    return;
  }
  patience_.start(kPatience, [this] { tell(); });
  auto missing = std::make_shared<std::atomic<std::size_t>>(loops_.size());
  for (ServingLoop* loop : loops_) {
    loop->loop().post([this, loop, missing] {
      loop->sample();
      if (missing->fetch_sub(1) == 1) {
        home_.loop().post([this] { tell(); });
      }
    });
  }
}

void MetricsSource::tell() {
  patience_.cancel();
  for (const auto& ready : std::exchange(waiting_, {})) {
    ready();
  }
}

}  // namespace trilby::app
