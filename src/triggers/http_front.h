/// \file  HTTP on one listener of an app: requests become calls, outcomes become answers, and each leaves a line in the
/// log.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "http/server.h"
#include "observe/ids.h"
#include "observe/metrics.h"
#include "triggers/app_channel.h"
#include "triggers/router.h"
#include "triggers/served_request.h"

namespace trilby::triggers {

struct FrontOptions {
  std::size_t unmatched_label = 0;  ///< in observe::Labels::routes(), for requests that take no route
  std::string token;                ///< what `dapr-api-token` must be (APP_API_TOKEN); empty: nothing is asked
  AppChannel* channel = nullptr;    ///< takes what is Dapr's own; null on an address that Dapr does not use
};

/// Threading: loop-bound. Ownership: outlives its exchanges and their bodies, so the server goes first; what it is made
/// with outlives it.
class HttpFront {
 public:
  HttpFront(FrontOptions options, Router& router, observe::LoopMetrics& metrics, observe::IdSource& ids, LogRequest log)
      : options_(std::move(options)),
        router_(router),
        services_{router.app_id(), metrics, ids, std::move(log), options_.unmatched_label} {}
  HttpFront(const HttpFront&) = delete;
  HttpFront& operator=(const HttpFront&) = delete;

  /// An http::Handler.
  void handle(const std::shared_ptr<http::Exchange>& exchange);
  /// An http::RefusalPage.
  [[nodiscard]] http::Response refuse(Reason reason, std::string_view detail);

 private:
  FrontOptions options_;
  Router& router_;
  FrontServices services_;
};

}  // namespace trilby::triggers
