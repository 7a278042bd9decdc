/// \file  Which way a call to another app goes.
#pragma once

#include <memory>
#include <utility>

#include "dapr/embedded/service_invocation.h"
#include "observe/tracer.h"

namespace trilby::dapr {

/// What one app's calls to other apps go through: an app of this process is reached in it, every other by way of the
/// caller's sidecar. Each gets a span of its own. Threading: loop-bound. Ownership: what it is made with outlives it.
class NearestInvocation final : public ServiceInvocation {
 public:
  /// \param sidecar  null: the caller has none, and there are no other apps
  /// \param tracer  null: no spans are recorded
  NearestInvocation(embedded::LocalInvocation& here, ServiceInvocation* sidecar, observe::Tracer* tracer = nullptr)
      : here_(here), sidecar_(sidecar), tracer_(tracer) {}

  void invoke(std::string_view app_id, Call call, OnOutcome done) override {
    const bool is_elsewhere = sidecar_ != nullptr && !here_.has_app(app_id);
    ServiceInvocation& way = is_elsewhere ? *sidecar_ : static_cast<ServiceInvocation&>(here_);
    if (tracer_ != nullptr) {
      const auto span = std::make_shared<observe::ClientSpan>(*tracer_, "invoke", app_id, call.trace, call.trace);
      done = [span, done = std::move(done)](Outcome outcome) {
        span->end(outcome.reason, outcome.status);
        done(std::move(outcome));
      };
    }
    way.invoke(app_id, std::move(call), std::move(done));
  }

 private:
  embedded::LocalInvocation& here_;
  ServiceInvocation* const sidecar_;
  observe::Tracer* const tracer_;
};

}  // namespace trilby::dapr
