#include "triggers/http_front.h"

#include <utility>

#include "triggers/path.h"

namespace trilby::triggers {
namespace {

constexpr std::size_t kMaxTimeoutBytes = 32;
constexpr Duration kLeastTimeout = std::chrono::milliseconds(1);

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

}  // namespace

void HttpFront::handle(const std::shared_ptr<http::Exchange>& exchange) {
  http::RequestHead& head = exchange->head();
  const auto request = std::make_shared<ServedRequest>(services_, head);
  Call call;
  request->adopt_trace(head.fields, call);
  call.body = exchange->take_body();
  request->request_bytes = call.body->length().value_or(0);
  const bool is_probe = options_.channel != nullptr && options_.channel->is_probe(request->method, request->target);
  if (!is_probe && !has_token(head.fields, options_.token)) {
    return exchange->respond(respond_over_http(request, refusal(Reason::Unauthorized)));
  }
  auto target = parse_target(request->target);
  if (!target) {
    return exchange->respond(
        respond_over_http(request, refusal(Reason::BadRequest, std::move(target).error().message)));
  }
  call.id = request->id;
  call.method = request->method;
  call.path = std::move(target->path);
  call.query = std::move(target->query);
  call.caller = "http";
  call.peer = exchange->peer();
  call.fields = std::move(head.fields);
  auto taken = options_.channel == nullptr ? std::nullopt : options_.channel->match(call, request->target);
  if (!taken || taken->has_caller()) {
    const auto deadline = deadline_of(call.fields, request->start);
    if (!deadline) {
      return exchange->respond(respond_over_http(request, refusal(Reason::BadRequest, deadline.error().message)));
    }
    call.deadline = *deadline;
    call.hops = options_.channel == nullptr ? 0 : hops_of(call.fields);
  }
  call.fields.remove_if(is_kept_from_guests);
  cancel_when_abandoned(*exchange, call);
  OnOutcome done = [exchange, request](Outcome outcome) {
    exchange->respond(respond_over_http(request, std::move(outcome)));
  };
  if (taken) {
    request->route = taken->label;
    return options_.channel->run(std::move(*taken), std::move(call), std::move(done));
  }
  const Route* route = router_.match(call);
  if (route != nullptr) {
    request->route = route->label;
  }
  router_.run(route, std::move(call), std::move(done));
}

http::Response HttpFront::refuse(Reason reason, std::string_view detail) {
  return refuse_unread(services_, reason, detail);
}

}  // namespace trilby::triggers
