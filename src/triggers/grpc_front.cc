#include "triggers/grpc_front.h"

#include <optional>
#include <utility>

#include <fmt/format.h>

#include "http/grpc.h"
#include "triggers/headed_body.h"

namespace trilby::triggers {
namespace {

/// What is wrong with a request that can be answered over HTTP only; nothing when it is one of gRPC's.
std::optional<Outcome> refuse_other(const http::Exchange& exchange, const std::string& method, const Fields& fields) {
  if (!exchange.sends_trailers()) {
    return refusal(Reason::BadRequest, "this app speaks gRPC here, which needs HTTP/2");
  }
  if (!http::is_grpc(fields)) {
    Outcome outcome = refusal(Reason::BadRequest, "this app speaks gRPC here: the content type is application/grpc");
    outcome.status = 415;
    return outcome;
  }
  if (method != "POST") {
    Outcome outcome = refusal(Reason::MethodNotAllowed, "methods: POST");
    outcome.fields.add("allow", "POST");
    return outcome;
  }
  return std::nullopt;
}

/// What an error says to people. Some have a body of HTTP, which gRPC has no place for.
std::string error_text(const Outcome& outcome) {
  if (outcome.reason == Reason::Ok) {
    return fmt::format("the function answered with status {}", outcome.status);
  }
  const std::string_view detail =
      outcome.detail.empty() ? info(outcome.reason).title : std::string_view(outcome.detail);
  return fmt::format("{}: {}", name(outcome.reason), detail);
}

Fields metadata_of(Outcome& outcome, const ServedRequest& request) {
  Fields metadata = std::move(outcome.fields);
  metadata.remove_if(is_fronts_own);
  metadata.add("trilby-reason", std::string(name(outcome.reason)));
  metadata.add("x-request-id", request.id);
  return metadata;
}

/// \param outcome  as GrpcChannel::run() gives it
http::Response respond(const std::shared_ptr<ServedRequest>& request, Outcome outcome) {
  const std::uint64_t length = outcome.body ? outcome.body->length().value_or(UINT64_MAX) : 0;
  if (outcome.status < 400 && length > UINT32_MAX) {
    outcome = refusal(Reason::Internal);
    outcome.message = "an answer is longer than a message of gRPC can be";
  }
  Fields metadata = metadata_of(outcome, *request);
  if (outcome.status >= 400) {
    const std::string text = error_text(outcome);
    request->outcome = std::move(outcome);
    request->grpc_status = http::grpc_status(request->outcome.status);
    return http::grpc_error(*request->grpc_status, text, std::move(metadata));
  }
  auto message = std::make_unique<HeadedBody>(http::grpc_prefix(static_cast<std::uint32_t>(length)),
                                              outcome.body ? std::move(outcome.body) : make_body({}));
  request->outcome = std::move(outcome);
  request->grpc_status = http::GrpcStatus::Ok;
  return http::grpc_answer(measured(std::move(message), request), std::move(metadata));
}

http::Response respond_refusal(const std::shared_ptr<ServedRequest>& request, Reason reason, std::string detail) {
  return respond(request, refusal(reason, std::move(detail)));
}

}  // namespace

/// A request whose message is being read. Lives until that is there, kept by what reads it.
class GrpcFront::Arrival : public std::enable_shared_from_this<Arrival> {
 public:
  Arrival(GrpcFront& front, std::shared_ptr<http::Exchange> exchange, std::shared_ptr<ServedRequest> request,
          GrpcChannel::Method method)
      : front_(front), exchange_(std::move(exchange)), request_(std::move(request)), method_(method) {}
  Arrival(const Arrival&) = delete;
  Arrival& operator=(const Arrival&) = delete;
  ~Arrival() = default;

  void start(std::unique_ptr<BodySource> body, Call call) {
    call_ = std::move(call);
    const Bytes limit{front_.channel_.limit(method_).count + http::kGrpcPrefix};
    reading_ = read_all(std::move(body), limit, BodyBudget::Share(front_.options_.bodies),
                        [self = shared_from_this()](Result<WholeBody> whole) { self->take(std::move(whole)); });
    if (has_arrived_) {
      reading_.reset();
    }
  }

 private:
  void take(Result<WholeBody> whole) {
    has_arrived_ = true;
    const auto reading = std::move(reading_);  // it may hold the last reference to this: until the end of this
    if (!whole) {
      return answer(refuse_event(whole.error()));
    }
    request_->request_bytes = whole->bytes.size();
    GrpcChannel::Message message{std::make_shared<WholeBody>(std::move(*whole)), {}};
    const auto only = http::only_grpc_message(message.body->bytes);
    if (!only) {
      Outcome outcome = refusal(Reason::BadRequest, std::string(only.error()));
      request_->grpc_status = http::GrpcStatus::Internal;
      exchange_->respond(
          http::grpc_error(*request_->grpc_status, error_text(outcome), metadata_of(outcome, *request_)));
      request_->outcome = std::move(outcome);
      return;
    }
    message.bytes = *only;
    GrpcChannel::About about{request_->route, request_->method, {}};
    front_.channel_.run(method_, std::move(message), std::move(call_), about,
                        [exchange = exchange_, request = request_](Outcome outcome) {
                          exchange->respond(respond(request, std::move(outcome)));
                        });
    request_->route = about.label;
    request_->method = std::move(about.method);
    if (!about.path.empty()) {
      request_->target = std::move(about.path);
    }
  }

  void answer(Outcome outcome) const { exchange_->respond(respond(request_, std::move(outcome))); }

  GrpcFront& front_;
  const std::shared_ptr<http::Exchange> exchange_;
  const std::shared_ptr<ServedRequest> request_;
  const GrpcChannel::Method method_;
  Call call_;
  std::shared_ptr<void> reading_;
  bool has_arrived_ = false;
};

void GrpcFront::handle(const std::shared_ptr<http::Exchange>& exchange) {
  http::RequestHead& head = exchange->head();
  const auto request = std::make_shared<ServedRequest>(services_, head);
  Call call;
  request->adopt_trace(head.fields, call);
  auto body = exchange->take_body();
  if (auto refused = refuse_other(*exchange, request->method, head.fields)) {
    return exchange->respond(respond_over_http(request, std::move(*refused)));
  }
  request->grpc_status = http::GrpcStatus::Cancelled;  // until it is answered
  const auto method = GrpcChannel::find(request->target);
  if (!method) {
    Outcome outcome = refusal(Reason::NotFound, "no service here has this method");
    outcome.status = 501;
    return exchange->respond(respond(request, std::move(outcome)));
  }
  if (services_.tracer != nullptr) {
    request->rpc = request->target.substr(1);
  }
  if (GrpcChannel::has_token(*method) && !has_token(head.fields, options_.token)) {
    return exchange->respond(respond_refusal(request, Reason::Unauthorized, {}));
  }
  if (!http::is_identity(head.fields)) {
    Outcome outcome = refusal(Reason::BadRequest, "only uncompressed messages are taken");
    request->grpc_status = http::GrpcStatus::Unimplemented;
    exchange->respond(http::refuse_grpc_encoding(metadata_of(outcome, *request)));
    request->outcome = std::move(outcome);
    return;
  }
  const auto timeout = http::grpc_timeout(head.fields);
  if (!timeout) {
    return exchange->respond(respond_refusal(request, Reason::BadRequest, timeout.error().message));
  }
  call.deadline = *timeout == Duration::max() ? Clock::time_point::max() : request->start + *timeout;
  call.id = request->id;
  call.peer = exchange->peer();
  if (*method == GrpcChannel::Method::OnInvoke) {
    call.hops = hops_of(head.fields);  // metadata of events is their publishers'
  }
  call.fields = std::move(head.fields);
  cancel_when_abandoned(*exchange, call);
  std::make_shared<Arrival>(*this, exchange, request, *method)->start(std::move(body), std::move(call));
}

http::Response GrpcFront::refuse(Reason reason, std::string_view detail) {
  return refuse_unread(services_, reason, detail);
}

}  // namespace trilby::triggers
