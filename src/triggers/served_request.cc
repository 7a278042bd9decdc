#include "triggers/served_request.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/number.h"
#include "base/text.h"
#include "observe/trace.h"
#include "triggers/problem.h"

namespace trilby::triggers {
namespace {

constexpr const char* kRetryAfter = "1";  // seconds: as long as a call waits for a slot
constexpr std::size_t kOurFields = 5;     // those that respond_over_http() adds, at most

constexpr std::array<std::string_view, 12> kConnectionFields = {
    "connection",          "content-length",   "expect", "http2-settings", "keep-alive",        "proxy-authenticate",
    "proxy-authorization", "proxy-connection", "te",     "trailer",        "transfer-encoding", "upgrade"};

bool has_prefix(std::string_view name, std::string_view prefix) {
  return equal_ignoring_case(name.substr(0, prefix.size()), prefix);
}

/// Whether a field belongs to one connection (RFC 9110 section 7.6.1) or frames a message.
bool is_connection_field(std::string_view name) {
  return std::any_of(kConnectionFields.begin(), kConnectionFields.end(),
                     [&](std::string_view known) { return equal_ignoring_case(name, known); });
}

/// The value of a field that came exactly once; else nothing.
std::string_view only(const Fields& fields, std::string_view name) {
  return fields.count(name) == 1 ? std::string_view(*fields.find(name)) : std::string_view();
}

/// The values of all fields of that name, as one list (RFC 9110 section 5.3).
std::string combined(const Fields& fields, std::string_view name) {
  std::string list;
  for (const Field& field : fields) {
    if (equal_ignoring_case(field.name, name)) {
      list += list.empty() ? "" : ",";
      list += field.value;
    }
  }
  return list;
}

/// "POST /api/*" -> "/api/*"; empty where the label is not that of a route.
std::string_view route_path(std::string_view label) {
  const std::size_t slash = label.find('/');
  const bool is_route = slash == 0 || (slash != std::string_view::npos && label[slash - 1] == ' ');
  return is_route ? label.substr(slash) : std::string_view();
}

/// OpenTelemetry's word for a method that nobody knows, so that no caller can add names.
constexpr std::string_view kOther = "_OTHER";

bool is_known_method(std::string_view method) {
  return observe::method_class(method) + 1 < observe::kMethodClasses.size();
}

/// \param rpc  as ServedRequest::rpc
void write_rpc(observe::SpanWriter& span, std::string_view rpc, http::GrpcStatus status) {
  const std::size_t slash = rpc.find('/');
  span.attribute("rpc.system", std::string_view("grpc"));
  if (slash != std::string_view::npos) {
    span.attribute("rpc.service", rpc.substr(0, slash));
  }
  span.attribute("rpc.method", slash == std::string_view::npos ? kOther : rpc.substr(slash + 1));
  span.attribute("rpc.grpc.status_code", static_cast<std::int64_t>(status));
}

/// OpenTelemetry's conventions of gRPC.
bool is_failure(http::GrpcStatus status) {
  switch (status) {
    case http::GrpcStatus::Unknown:
    case http::GrpcStatus::DeadlineExceeded:
    case http::GrpcStatus::Unimplemented:
    case http::GrpcStatus::Internal:
    case http::GrpcStatus::Unavailable:
    case http::GrpcStatus::DataLoss:
      return true;
    default:
      return false;
  }
}

bool has_no_body(int status) {
  return status == 204 || status == 304;
}

class MeasuredBody final : public BodySource {
 public:
  MeasuredBody(std::unique_ptr<BodySource> body, std::shared_ptr<ServedRequest> request)
      : body_(std::move(body)), request_(std::move(request)), complete_(body_->length() == 0) {}
  ~MeasuredBody() override {
    if (!complete_ && request_->outcome.reason == Reason::Ok && request_->method != "HEAD") {
      request_->outcome.reason = Reason::Cancelled;
    }
  }

  void read(OnChunk on_chunk) override {
    body_->read([this, on_chunk = std::move(on_chunk)](Result<Chunk> chunk) {
      if (chunk) {
        request_->response_bytes += chunk->bytes.size();
        complete_ = chunk->last;
      } else {
        request_->outcome.reason = chunk.error().reason;
        request_->outcome.message = chunk.error().message;
        request_->broke_off = chunk.error().reason != Reason::Cancelled;
      }
      on_chunk(std::move(chunk));
    });
  }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return body_->length(); }

 private:
  std::unique_ptr<BodySource> body_;
  std::shared_ptr<ServedRequest> request_;
  bool complete_;  // nobody reads an empty body
};

/// Reads all of `given`, so that time tells nothing.
bool is_same_in_constant_time(std::string_view given, std::string_view token) {
  unsigned difference = given.size() == token.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i) {
    difference |= static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(token[i % token.size()]);
  }
  return difference == 0;
}

}  // namespace

bool has_token(const Fields& fields, std::string_view token) {
  if (token.empty()) {
    return true;
  }
  // Over gRPC a sidecar adds its token behind what a publisher may have put into an event's metadata by that name.
  return std::any_of(fields.begin(), fields.end(), [&](const Field& field) {
    return equal_ignoring_case(field.name, "dapr-api-token") && is_same_in_constant_time(field.value, token);
  });
}

unsigned hops_of(const Fields& fields) {
  return std::min(parse_number<unsigned>(only(fields, "trilby-hops")).value_or(0), kMaxHops);
}

bool is_kept_from_guests(const Field& field) {
  const std::string_view name = field.name;
  return has_prefix(name, "trilby-") || has_prefix(name, "dapr-") || is_connection_field(name) ||
         equal_ignoring_case(name, "x-request-id") || equal_ignoring_case(name, "traceparent") ||
         equal_ignoring_case(name, "tracestate");
}

bool is_fronts_own(const Field& field) {
  const std::string_view name = field.name;
  return has_prefix(name, "trilby-") || is_connection_field(name) || equal_ignoring_case(name, "x-request-id") ||
         equal_ignoring_case(name, "x-content-type-options") || equal_ignoring_case(name, "date");
}

ServedRequest::ServedRequest(const FrontServices& services, http::RequestHead& head)
    : services_(services),
      method(std::move(head.method)),
      target(std::move(head.target)),
      route(services.unmatched_label) {
  services_.metrics.live_requests.add(1);
  const std::string_view given_id = only(head.fields, "x-request-id");
  id = observe::is_request_id(given_id) ? std::string(given_id) : services_.ids.request_id();
}

ServedRequest::~ServedRequest() {
  const Clock::time_point ended = Clock::now();
  const Duration duration = ended - start;
  services_.metrics.live_requests.add(-1);
  services_.metrics.count_request(
      {route, observe::method_class(method), outcome.status, outcome.reason, duration, response_bytes});
  record_span(ended);
  if (!services_.log) {
    return;
  }
  observe::AccessEntry entry;
  entry.time = std::chrono::system_clock::now();
  entry.ended = ended;
  entry.app = services_.app;
  entry.method = method;
  entry.path = path();
  entry.status = outcome.status;
  entry.reason = outcome.reason;
  entry.request_bytes = request_bytes;
  entry.response_bytes = response_bytes;
  entry.duration = duration;
  entry.request_id = id;
  entry.trace_id = trace_id;
  entry.function = outcome.function;
  entry.message = outcome.message;
  entry.record = outcome.record;
  services_.log(entry);
}

void ServedRequest::adopt_trace(const Fields& fields, Call& call) {
  const TraceContext given = observe::accept_trace(only(fields, "traceparent"), combined(fields, "tracestate"));
  if (services_.tracer != nullptr) {
    span_ = services_.tracer->begin(given, call.trace);
  } else {
    call.trace = given;
  }
  if (!call.trace.traceparent.empty()) {
    trace_id = observe::trace_id(call.trace.traceparent);
  }
}

/// Without the query, for queries may hold secrets.
std::string_view ServedRequest::path() const {
  return std::string_view(target).substr(0, target.find('?'));
}

/// As OpenTelemetry's semantic conventions have it, of few values.
std::string_view ServedRequest::span_name() const {
  if (grpc_status) {
    return rpc.empty() ? kOther : std::string_view(rpc);
  }
  const std::string_view label = services_.tracer->labels().routes()[route].route;
  if (!label.empty()) {
    return label;
  }
  return is_known_method(method) ? std::string_view(method) : "HTTP";
}

/// OpenTelemetry's semantic conventions of HTTP and gRPC, and what is our own.
void ServedRequest::record_span(Clock::time_point ended) const {
  if (!span_.is_recorded()) {
    return;
  }
  const std::string_view template_ = route_path(services_.tracer->labels().routes()[route].route);
  const int status = grpc_status ? static_cast<int>(*grpc_status) : outcome.status;
  const bool failed =
      grpc_status ? is_failure(*grpc_status) : observe::is_failure(observe::SpanKind::Server, outcome.status);
  services_.tracer->record(span_, observe::SpanKind::Server, span_name(), start, ended, [&](observe::SpanWriter& span) {
    span.attribute("http.request.method", is_known_method(method) ? std::string_view(method) : kOther);
    span.attribute("url.scheme", services_.scheme);
    span.attribute("url.path", path());
    if (!template_.empty()) {
      span.attribute("http.route", template_);
    }
    if (grpc_status) {
      write_rpc(span, rpc, *grpc_status);
    } else {
      span.attribute("http.response.status_code", std::int64_t{status});
    }
    span.attribute("trilby.app", services_.app);
    span.attribute("trilby.reason", name(outcome.reason));
    span.attribute("trilby.request_id", std::string_view(id));
    if (!outcome.function.empty()) {
      span.attribute("trilby.function", std::string_view(outcome.function));
    }
    if (failed || broke_off) {
      span.fail(outcome.reason, status);
    }
  });
}

http::Response refuse_unread(const FrontServices& services, Reason reason, std::string_view detail) {
  http::RequestHead unread;
  unread.method = unread.target = "-";
  return respond_over_http(std::make_shared<ServedRequest>(services, unread), refusal(reason, std::string(detail)));
}

void cancel_when_abandoned(http::Exchange& exchange, Call& call) {
  call.cancellation = std::make_shared<Cancellation>();
  exchange.on_abandoned([weak = std::weak_ptr(call.cancellation)] {
    if (const auto cancellation = weak.lock()) {
      cancellation->cancel(Reason::Cancelled);
    }
  });
}

std::unique_ptr<BodySource> measured(std::unique_ptr<BodySource> body, std::shared_ptr<ServedRequest> request) {
  return std::make_unique<MeasuredBody>(std::move(body), std::move(request));
}

http::Response respond_over_http(const std::shared_ptr<ServedRequest>& request, Outcome outcome) {
  http::Response response;
  response.status = outcome.status;
  response.fields = std::move(outcome.fields);
  response.fields.reserve(response.fields.size() + kOurFields);
  response.fields.remove_if(is_fronts_own);
  response.body = std::move(outcome.body);
  if (!response.body) {
    response.body = make_body(problem_document(outcome.reason, outcome.status, outcome.detail, request->id));
    response.fields.set("content-type", kProblemType);
  }
  if (response.status == 503) {
    response.fields.set("retry-after", kRetryAfter);
  }
  response.fields.add("trilby-reason", std::string(name(outcome.reason)));
  response.fields.add("x-request-id", request->id);
  response.fields.add("x-content-type-options", "nosniff");
  request->outcome = std::move(outcome);
  if (has_no_body(response.status)) {
    response.body.reset();
  } else {
    response.body = measured(std::move(response.body), request);
  }
  return response;
}

}  // namespace trilby::triggers
