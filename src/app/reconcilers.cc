#include "app/reconcilers.h"

#include <algorithm>
#include <utility>

namespace trilby::app {
namespace {

constexpr http::ClientLimits kLimits = {.connections = 1, .waiting = 4, .addresses = 256};  // as many as apps

constexpr Duration kPatience = std::chrono::seconds(1);

}  // namespace

Reconcilers::Reconcilers(net::Loop& loop, const Manifest& manifest, const std::vector<AppRoutes>& apps)
    : client_(loop, kLimits), patience_(loop) {
  for (std::size_t i = 0; i < apps.size(); ++i) {
    if (apps[i].sidecar) {  // also where nothing is needed: something may be left of an earlier manifest
      all_.emplace_back(loop, client_, apps[i], manifest.apps[i]);
    }
  }
}

void Reconcilers::start() {
  std::for_each(all_.begin(), all_.end(), [](One& one) { one.reconciler.start(); });
}

void Reconcilers::stop(std::function<void()> settled) {
  settled_ = std::move(settled);
  unsettled_ = all_.size() + 1;
  const auto one_less = [this] {
    if (--unsettled_ == 0) {
      settle();
    }
  };
  patience_.start(kPatience, [this] {
    std::for_each(all_.begin(), all_.end(), [](One& one) { one.reconciler.abandon(); });
    settle();
  });
  std::for_each(all_.begin(), all_.end(), [&](One& one) { one.reconciler.stop(one_less); });
  one_less();
}

void Reconcilers::settle() {
  patience_.cancel();
  const auto settled = std::move(settled_);
  settled();
}

}  // namespace trilby::app
