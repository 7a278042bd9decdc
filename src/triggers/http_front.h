/// \file  HTTP on one listener of an app: requests become calls, outcomes become answers, and each leaves a line in the
/// log.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "http/server.h"
#include "observe/access_log.h"
#include "observe/ids.h"
#include "observe/metrics.h"
#include "triggers/app_channel.h"
#include "triggers/router.h"

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
  /// Takes the line of one request.
  using LogRequest = std::function<void(const observe::AccessEntry&)>;

  HttpFront(FrontOptions options, Router& router, observe::LoopMetrics& metrics, observe::IdSource& ids, LogRequest log)
      : options_(std::move(options)), router_(router), metrics_(metrics), ids_(ids), log_(std::move(log)) {}
  HttpFront(const HttpFront&) = delete;
  HttpFront& operator=(const HttpFront&) = delete;

  /// An http::Handler.
  void handle(const std::shared_ptr<http::Exchange>& exchange);
  /// An http::RefusalPage.
  [[nodiscard]] http::Response refuse(Reason reason, std::string_view detail);

 private:
  class Request;
  class MeasuredBody;

  [[nodiscard]] std::shared_ptr<Request> begin(http::RequestHead& head);
  [[nodiscard]] static http::Response respond(const std::shared_ptr<Request>& request, Outcome outcome);
  [[nodiscard]] bool has_token(const Fields& fields) const;

  FrontOptions options_;
  Router& router_;
  observe::LoopMetrics& metrics_;
  observe::IdSource& ids_;
  LogRequest log_;
};

}  // namespace trilby::triggers
