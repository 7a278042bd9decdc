/// \file  Dapr service invocation: one app calls another by its app-id.
/// https://docs.dapr.io/reference/api/service_invocation_api/
#pragma once

#include <string_view>

#include "call/call.h"

namespace trilby::dapr {

/// The field that says which app asks. Whoever brings a call of another app adds it, and no event has it: it tells one
/// from the other.
inline constexpr std::string_view kInvokedBy = "dapr-caller-app-id";
/// The field that says which app is asked. Dapr's own calls of an actor's methods say who asks too, but never this.
inline constexpr std::string_view kInvokedOf = "dapr-callee-app-id";

/// What Trilby asks of Dapr to reach another app. Threading: loop-bound.
class ServiceInvocation {
 public:
  virtual ~ServiceInvocation() = default;
  /// Calls the app `app_id` with `call`'s method, path, query, fields and body, on behalf of `call.caller`. `done` runs
  /// exactly once, possibly before this returns, with what the app answered, or with Reason::UpstreamFailed when no app
  /// has that id or the call already came through kMaxHops apps.
  virtual void invoke(std::string_view app_id, Call call, OnOutcome done) = 0;
};

}  // namespace trilby::dapr
