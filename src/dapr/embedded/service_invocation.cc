#include "dapr/embedded/service_invocation.h"

#include <utility>

#include <fmt/format.h>

namespace trilby::dapr::embedded {

void LocalInvocation::add_app(std::string app_id, AppChannel channel) {
  channels_.insert_or_assign(std::move(app_id), std::move(channel));
}

void LocalInvocation::invoke(std::string_view app_id, Call call, OnOutcome done) {
  const auto at = channels_.find(app_id);
  if (at == channels_.end()) {
    Outcome outcome = refusal(Reason::UpstreamFailed, "the app that this route leads to is not there");
    outcome.message = fmt::format("no app has the app-id '{}'", app_id);
    return done(std::move(outcome));
  }
  if (++call.hops > kMaxHops) {
    return done(refusal(Reason::UpstreamFailed, fmt::format("the call went through more than {} apps", kMaxHops)));
  }
  // What a sidecar says to the app it calls (dapr/dapr pkg/messaging/direct_messaging.go).
  call.fields.set(kInvokedBy, call.caller);
  call.fields.set("dapr-callee-app-id", at->first);
  at->second(std::move(call), std::move(done));
}

}  // namespace trilby::dapr::embedded
