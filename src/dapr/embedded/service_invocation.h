/// \file  Service invocation within this process: no socket, no copy.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "dapr/service_invocation.h"

namespace trilby::dapr::embedded {

/// Where an app takes calls; app/ plugs its router in.
using AppChannel = std::function<void(Call call, OnOutcome done)>;

/// Hands calls to the app channels of this process, as a sidecar would. Threading: loop-bound; each loop has its own.
/// A call holds nothing here while it waits, so an app may call itself.
class LocalInvocation final : public ServiceInvocation {
 public:
  /// Ownership: what `channel` refers to outlives the calls.
  void add_app(std::string app_id, AppChannel channel);
  [[nodiscard]] bool has_app(std::string_view app_id) const { return channels_.contains(app_id); }
  void invoke(std::string_view app_id, Call call, OnOutcome done) override;

 private:
  std::map<std::string, AppChannel, std::less<>> channels_;
};

}  // namespace trilby::dapr::embedded
