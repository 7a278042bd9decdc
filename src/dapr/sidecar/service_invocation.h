/// \file  Service invocation through a sidecar's HTTP API.
#pragma once

#include <list>
#include <memory>
#include <string_view>

#include "dapr/service_invocation.h"
#include "dapr/sidecar/settings.h"
#include "http/client.h"

namespace trilby::dapr::sidecar {

/// Calls apps that the sidecar finds. The request's body and the answer's are passed on as streams. An app's own answer
/// is passed on whatever its status is, with the reason that another Trilby says; what the sidecar itself refuses, or
/// does not do in time, is UpstreamFailed, and its words go to the log and not to the caller.
/// Threading: loop-bound. Ownership: what it is made with outlives it. It is destroyed after the client, which ends
/// what is under way.
class SidecarInvocation final : public ServiceInvocation {
 public:
  SidecarInvocation(http::Client& client, std::shared_ptr<const Settings> settings);
  ~SidecarInvocation() override;
  SidecarInvocation(const SidecarInvocation&) = delete;
  SidecarInvocation& operator=(const SidecarInvocation&) = delete;

  void invoke(std::string_view app_id, Call call, OnOutcome done) override;

 private:
  class Passing;

  http::Client& client_;
  const std::shared_ptr<const Settings> settings_;
  std::list<std::shared_ptr<Passing>> live_;
};

}  // namespace trilby::dapr::sidecar
