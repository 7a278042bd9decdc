/// \file  What the fronts of an app have in common, whatever protocol they speak: a request that is counted and leaves
/// a line in the log, what its fields say, and answers of HTTP.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "call/call.h"
#include "http/grpc.h"
#include "http/server.h"
#include "observe/access_log.h"
#include "observe/ids.h"
#include "observe/metrics.h"
#include "observe/tracer.h"

namespace trilby::triggers {

/// Takes the line of one request.
using LogRequest = std::function<void(const observe::AccessEntry&)>;

/// What a front serves with. Ownership: all of it outlives the front's requests.
struct FrontServices {
  std::string_view app;
  observe::LoopMetrics& metrics;
  observe::IdSource& ids;
  LogRequest log;                     ///< may be null
  std::size_t unmatched_label = 0;    ///< in observe::Labels::routes(), for requests that take no route
  observe::Tracer* tracer = nullptr;  ///< null: no spans are recorded
  std::string_view scheme = "http";
};

/// A request on its way. Writes its line, its counts and its span when the last who works on it lets go, so exactly
/// once. Threading: loop-bound.
class ServedRequest {
  const FrontServices& services_;  // before the members that are made of it

 public:
  /// \param head  its method and target are taken
  ServedRequest(const FrontServices& services, http::RequestHead& head);
  ServedRequest(const ServedRequest&) = delete;
  ServedRequest& operator=(const ServedRequest&) = delete;
  ~ServedRequest();

  /// Passes the trace of whoever asked on to `call`: with a span of its own, or, where no spans are recorded, as it
  /// came.
  void adopt_trace(const Fields& fields, Call& call);

  const Clock::time_point start = Clock::now();
  std::string id;
  std::string method;
  std::string target;  ///< as sent
  std::string trace_id;
  std::size_t route;
  std::uint64_t request_bytes = 0;
  std::uint64_t response_bytes = 0;
  Outcome outcome = refusal(Reason::Cancelled);  ///< until there is another; what is sent of it is gone from here
  std::optional<http::GrpcStatus> grpc_status;   ///< set: whoever asks is told this, and not `outcome.status`
  std::string rpc;  ///< for its span: "dapr.proto.runtime.v1.AppCallback/OnInvoke"; empty: no method that there is
  bool broke_off = false;  ///< its answer, after the head, and not because whoever asked went away

 private:
  void record_span(Clock::time_point ended) const;
  [[nodiscard]] std::string_view span_name() const;
  [[nodiscard]] std::string_view path() const;

  observe::SpanIds span_;
};

/// Counts what is sent of an answer, and keeps the request open until that is over.
[[nodiscard]] std::unique_ptr<BodySource> measured(std::unique_ptr<BodySource> body,
                                                   std::shared_ptr<ServedRequest> request);

/// The answer to a request that could not be read; it is counted and logged as others are. An http::RefusalPage.
[[nodiscard]] http::Response refuse_unread(const FrontServices& services, Reason reason, std::string_view detail);

/// Lets `call` be cancelled when nobody waits for an answer of `exchange` any more.
void cancel_when_abandoned(http::Exchange& exchange, Call& call);

/// The outcome as an answer of HTTP, with its reason; a problem document where it has no body.
[[nodiscard]] http::Response respond_over_http(const std::shared_ptr<ServedRequest>& request, Outcome outcome);

/// Whether `dapr-api-token` is `token`, in a time that tells nothing of it. An empty one is not asked for.
[[nodiscard]] bool has_token(const Fields& fields, std::string_view token);

/// Through how many apps a call came, as another Trilby says it to the sidecar between.
[[nodiscard]] unsigned hops_of(const Fields& fields);

/// What no guest sees: what the connection is about, what only Trilby and Dapr may say, and what Call has members for.
[[nodiscard]] bool is_kept_from_guests(const Field& field);
/// What only a front says in an answer.
[[nodiscard]] bool is_fronts_own(const Field& field);

}  // namespace trilby::triggers
