#include "app/supervisor_sidecar_wait.h"

#include <utility>

#include "base/log.h"

namespace trilby::app {
namespace {

constexpr Duration kLong = std::chrono::seconds(60);

}  // namespace

SidecarWait::SidecarWait(AwaitedSidecar sidecar, Clock::time_point now)
    : app_(std::move(sidecar.app)), since_(now), probe_(SidecarProbe(std::move(sidecar.address), now)) {}

void SidecarWait::advance(Clock::time_point now) {
  if (!probe_) {
    return;
  }
  if (probe_->advance(now)) {
    log::info(
        "the sidecar is there",
        {{"app", app_}, {"address", format(probe_->sidecar())}, {"after", trilby::format(Duration(now - since_))}});
    probe_.reset();
    return;
  }
  if (probe_->has_failed() && !std::exchange(said_waiting_, true)) {
    log::info("waiting for the sidecar; what needs none is served",
              {{"app", app_}, {"address", format(probe_->sidecar())}});
  }
  if (now - since_ >= kLong && !std::exchange(said_long_, true)) {
    log::warn("the sidecar is still not there; going on waiting",
              {{"app", app_}, {"address", format(probe_->sidecar())}});
  }
}

}  // namespace trilby::app
