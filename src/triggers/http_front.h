/// \file  HTTP on one listener of an app: requests become calls, outcomes become answers, and each leaves a line in the
/// log.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "http/server.h"
#include "triggers/app_channel.h"
#include "triggers/router.h"
#include "triggers/served_request.h"

namespace trilby::triggers {

struct FrontOptions {
  std::string token;              ///< what `dapr-api-token` must be (APP_API_TOKEN); empty: nothing is asked
  AppChannel* channel = nullptr;  ///< takes what is Dapr's own; null on an address that Dapr does not use
};

/// Threading: loop-bound. Ownership: outlives its exchanges and their bodies, so the server goes first; what it is made
/// with outlives it.
class HttpFront {
 public:
  HttpFront(FrontOptions options, Router& router, FrontServices services)
      : options_(std::move(options)), router_(router), services_(std::move(services)) {}
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
