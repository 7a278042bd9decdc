/// \file  Which way a call to another app goes.
#pragma once

#include <utility>

#include "dapr/embedded/service_invocation.h"

namespace trilby::dapr {

/// What one app's calls to other apps go through: an app of this process is reached in it, every other by way of the
/// caller's sidecar. Threading: loop-bound. Ownership: what it is made with outlives it.
class NearestInvocation final : public ServiceInvocation {
 public:
  /// \param sidecar  null: the caller has none, and there are no other apps
  NearestInvocation(embedded::LocalInvocation& here, ServiceInvocation* sidecar) : here_(here), sidecar_(sidecar) {}

  void invoke(std::string_view app_id, Call call, OnOutcome done) override {
    const bool is_elsewhere = sidecar_ != nullptr && !here_.has_app(app_id);
    ServiceInvocation& way = is_elsewhere ? *sidecar_ : static_cast<ServiceInvocation&>(here_);
    way.invoke(app_id, std::move(call), std::move(done));
  }

 private:
  embedded::LocalInvocation& here_;
  ServiceInvocation* const sidecar_;
};

}  // namespace trilby::dapr
