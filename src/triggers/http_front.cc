#include "triggers/http_front.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/text.h"
#include "observe/trace.h"
#include "triggers/path.h"
#include "triggers/problem.h"

namespace trilby::triggers {
namespace {

constexpr std::size_t kMaxTimeoutBytes = 32;
constexpr Duration kLeastTimeout = std::chrono::milliseconds(1);
constexpr const char* kRetryAfter = "1";  // seconds: as long as a call waits for a slot
constexpr std::size_t kOurFields = 5;  // those that respond() adds, at most

/// Fields that belong to one connection (RFC 9110 section 7.6.1) or that frame a message.
constexpr std::array<std::string_view, 12> kConnectionFields = {
    "connection",          "content-length",   "expect", "http2-settings", "keep-alive",        "proxy-authenticate",
    "proxy-authorization", "proxy-connection", "te",     "trailer",        "transfer-encoding", "upgrade"};

bool has_prefix(std::string_view name, std::string_view prefix) {
  return equal_ignoring_case(name.substr(0, prefix.size()), prefix);
}

bool is_connection_field(std::string_view name) {
  return std::any_of(kConnectionFields.begin(), kConnectionFields.end(),
                     [&](std::string_view known) { return equal_ignoring_case(name, known); });
}

/// What no guest sees: what the connection is about, what only Trilby and Dapr may say, and what Call has members for.
bool is_kept_from_guests(const Field& field) {
  const std::string_view name = field.name;
  return has_prefix(name, "trilby-") || has_prefix(name, "dapr-") || is_connection_field(name) ||
         equal_ignoring_case(name, "x-request-id") || equal_ignoring_case(name, "traceparent") ||
         equal_ignoring_case(name, "tracestate");
}

/// What only this front says in an answer.
bool is_ours(const Field& field) {
  const std::string_view name = field.name;
  return has_prefix(name, "trilby-") || is_connection_field(name) || equal_ignoring_case(name, "x-request-id") ||
         equal_ignoring_case(name, "x-content-type-options") || equal_ignoring_case(name, "date");
}

/// The value of a field that came exactly once.
std::string_view only(const Fields& fields, std::string_view name) {
  return fields.count(name) == 1 ? std::string_view(*fields.find(name)) : std::string_view();
}

/// When the caller gives up, as its `trilby-timeout` says. \return Reason::BadRequest, with a message for the caller
Result<Clock::time_point> deadline_of(const Fields& fields, Clock::time_point start) {
  constexpr std::string_view kField = "trilby-timeout";
  const std::string* text = fields.find(kField);
  if (text == nullptr) {
    return Clock::time_point::max();
  }
  const auto timeout = text->size() <= kMaxTimeoutBytes && fields.count(kField) == 1
                           ? parse_duration(*text)
                           : Result<Duration>(fail(Reason::BadRequest, "too long, or given twice"));
  if (!timeout || *timeout < kLeastTimeout) {
    return fail(Reason::BadRequest, "{} is one duration from 1ms to 24h, as in 250ms or 1.5s", kField);
  }
  return start + *timeout;
}

/// Through how many apps a call came, as another Trilby says it to the sidecar between.
unsigned hops_of(const Fields& fields) {
  const std::string_view text = only(fields, "trilby-hops");
  unsigned hops = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), hops);
  return error == std::errc{} && end == text.data() + text.size() ? std::min(hops, kMaxHops) : 0;
}

bool has_no_body(int status) {
  return status == 204 || status == 304;
}

}  // namespace

/// A request on its way. Writes its line and its counts when the last who works on it lets go, so exactly once.
class HttpFront::Request {
  HttpFront& front_;  // before the members that are made of it

 public:
  explicit Request(HttpFront& owner) : front_(owner) { front_.metrics_.live_requests.add(1); }
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  ~Request() {
    const Clock::time_point ended = Clock::now();
    const Duration duration = ended - start;
    front_.metrics_.live_requests.add(-1);
    front_.metrics_.count_request(
        {route, observe::method_class(method), outcome.status, outcome.reason, duration, response_bytes});
    if (!front_.log_) {
      return;
    }
    observe::AccessEntry entry;
    entry.time = std::chrono::system_clock::now();
    entry.ended = ended;
    entry.app = front_.router_.app_id();
    entry.method = method;
    entry.path = std::string_view(target).substr(0, target.find('?'));
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
    front_.log_(entry);
  }

  const Clock::time_point start = Clock::now();
  std::string id;
  std::string method;
  std::string target;  // as sent
  std::string trace_id;
  std::size_t route = front_.options_.unmatched_label;
  std::uint64_t request_bytes = 0;
  std::uint64_t response_bytes = 0;
  Outcome outcome = refusal(Reason::Cancelled);  // until there is another; what is sent of it is gone from here
};

/// Counts what is sent of an answer, and keeps the request open until that is over.
class HttpFront::MeasuredBody final : public BodySource {
 public:
  MeasuredBody(std::unique_ptr<BodySource> body, std::shared_ptr<Request> request)
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
      }
      on_chunk(std::move(chunk));
    });
  }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return body_->length(); }

 private:
  std::unique_ptr<BodySource> body_;
  std::shared_ptr<Request> request_;
  bool complete_;  // nobody reads an empty body
};

std::shared_ptr<HttpFront::Request> HttpFront::begin(http::RequestHead& head) {
  auto request = std::make_shared<Request>(*this);
  request->method = std::move(head.method);
  request->target = std::move(head.target);
  const std::string_view given_id = only(head.fields, "x-request-id");
  request->id = observe::is_request_id(given_id) ? std::string(given_id) : ids_.request_id();
  return request;
}

bool HttpFront::has_token(const Fields& fields) const {
  if (options_.token.empty()) {
    return true;
  }
  const std::string_view given = only(fields, "dapr-api-token");
  unsigned difference = given.size() == options_.token.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i) {  // all of it, so that time tells nothing
    difference |=
        static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(options_.token[i % options_.token.size()]);
  }
  return difference == 0;
}

void HttpFront::handle(const std::shared_ptr<http::Exchange>& exchange) {
  http::RequestHead& head = exchange->head();
  const std::shared_ptr<Request> request = begin(head);
  Call call;
  call.body = exchange->take_body();
  request->request_bytes = call.body->length().value_or(0);
  const bool is_probe = options_.channel != nullptr && options_.channel->is_probe(request->method, request->target);
  if (!is_probe && !has_token(head.fields)) {
    return exchange->respond(respond(request, refusal(Reason::Unauthorized)));
  }
  auto target = parse_target(request->target);
  if (!target) {
    return exchange->respond(respond(request, refusal(Reason::BadRequest, std::move(target).error().message)));
  }
  const auto deadline = deadline_of(head.fields, request->start);
  if (!deadline) {
    return exchange->respond(respond(request, refusal(Reason::BadRequest, deadline.error().message)));
  }
  call.deadline = *deadline;
  call.id = request->id;
  call.method = request->method;
  call.path = std::move(target->path);
  call.query = std::move(target->query);
  call.caller = "http";
  call.peer = exchange->peer();
  if (const TraceContext given =
          observe::accept_trace(only(head.fields, "traceparent"), only(head.fields, "tracestate"));
      !given.traceparent.empty()) {
    request->trace_id = observe::trace_id(given.traceparent);
    call.trace = observe::child_trace(given, ids_.next());
  }
  if (options_.channel != nullptr) {
    call.hops = hops_of(head.fields);
  }
  call.fields = std::move(head.fields);
  const auto taken = options_.channel == nullptr ? std::nullopt : options_.channel->match(call);
  call.fields.remove_if(is_kept_from_guests);
  call.cancellation = std::make_shared<Cancellation>();
  exchange->on_abandoned([weak = std::weak_ptr(call.cancellation)] {
    if (const auto cancellation = weak.lock()) {
      cancellation->cancel(Reason::Cancelled);
    }
  });
  OnOutcome done = [exchange, request](Outcome outcome) { exchange->respond(respond(request, std::move(outcome))); };
  if (taken) {
    request->route = taken->label;
    return options_.channel->run(*taken, std::move(call), std::move(done));
  }
  const Route* route = router_.match(call);
  request->route = route == nullptr ? options_.unmatched_label : route->label;
  router_.run(route, std::move(call), std::move(done));
}

http::Response HttpFront::respond(const std::shared_ptr<Request>& request, Outcome outcome) {
  http::Response response;
  response.status = outcome.status;
  response.fields = std::move(outcome.fields);
  response.fields.reserve(response.fields.size() + kOurFields);
  response.fields.remove_if(is_ours);
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
    response.body = std::make_unique<MeasuredBody>(std::move(response.body), request);
  }
  return response;
}

http::Response HttpFront::refuse(Reason reason, std::string_view detail) {
  http::RequestHead unread;
  unread.method = unread.target = "-";
  return respond(begin(unread), refusal(reason, std::string(detail)));
}

}  // namespace trilby::triggers
