/// \file  gRPC on the app channel of an app: requests become messages for GrpcChannel, outcomes become answers, and
/// each leaves a line in the log.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "http/server.h"
#include "triggers/grpc_channel.h"
#include "triggers/served_request.h"

namespace trilby::triggers {

struct GrpcFrontOptions {
  std::string token;             ///< what `dapr-api-token` must be (APP_API_TOKEN); empty: nothing is asked
  BodyBudget* bodies = nullptr;  ///< what messages that are being read may take together; null: what their limits allow
};

/// Threading: loop-bound. Ownership: outlives its exchanges and their bodies, so the server goes first; what it is made
/// with outlives it.
class GrpcFront {
 public:
  GrpcFront(GrpcFrontOptions options, GrpcChannel& channel, FrontServices services)
      : options_(std::move(options)), channel_(channel), services_(std::move(services)) {}
  GrpcFront(const GrpcFront&) = delete;
  GrpcFront& operator=(const GrpcFront&) = delete;

  /// An http::Handler. What is no request of gRPC is answered as over HTTP, with a status from 400 on.
  void handle(const std::shared_ptr<http::Exchange>& exchange);
  /// An http::RefusalPage.
  [[nodiscard]] http::Response refuse(Reason reason, std::string_view detail);

 private:
  class Arrival;

  GrpcFrontOptions options_;
  GrpcChannel& channel_;
  FrontServices services_;
};

}  // namespace trilby::triggers
