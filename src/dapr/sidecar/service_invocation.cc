#include "dapr/sidecar/service_invocation.h"

#include <optional>
#include <utility>

#include "base/base64.h"
#include "base/text.h"
#include "dapr/sidecar/request.h"

namespace trilby::dapr::sidecar {
namespace {

constexpr int kFirstError = 400;
constexpr std::string_view kHops = "trilby-hops";
/// What the app that is called must say in the address, and never its caller's caller.
constexpr std::string_view kAppIdInLogin = "dapr-app-id:";

/// A sidecar looks for the app to call in these before it looks at the path (Dapr 1.18, findTargetIDAndMethod): a
/// caller from outside must not choose another app by them.
bool names_an_app(const Field& field) {
  constexpr std::string_view kBasic = "basic ";
  if (equal_ignoring_case(field.name, "dapr-app-id")) {
    return true;
  }
  if (!equal_ignoring_case(field.name, "authorization") ||
      !equal_ignoring_case(std::string_view(field.value).substr(0, kBasic.size()), kBasic)) {
    return false;
  }
  const auto login = decode_base64(std::string_view(field.value).substr(kBasic.size(), kAppIdInLogin.size() / 3 * 4));
  return login && equal_ignoring_case(*login, kAppIdInLogin);
}

/// What another Trilby says of its answer.
std::optional<Reason> told_reason(const Fields& fields) {
  const std::string* told = fields.find("trilby-reason");
  const auto reason = told == nullptr ? std::nullopt : reason_from_name(*told);
  return reason == Reason::Manifest ? std::nullopt : reason;
}

Outcome failed(Error error) {
  Outcome outcome = refusal(error.reason, error.reason == Reason::UpstreamFailed ? "the app did not answer" : "");
  outcome.message = std::move(error.message);
  return outcome;
}

}  // namespace

/// One call on its way.
class SidecarInvocation::Passing : public std::enable_shared_from_this<Passing> {
 public:
  Passing(SidecarInvocation& owner, std::string_view app_id, Clock::time_point deadline,
          std::shared_ptr<Cancellation> cancellation, OnOutcome done)
      : owner_(owner),
        app_id_(app_id),
        deadline_(deadline),
        cancellation_(std::move(cancellation)),
        done_(std::move(done)) {}
  Passing(const Passing&) = delete;
  Passing& operator=(const Passing&) = delete;
  ~Passing() {
    if (cancellation_ && done_) {
      cancellation_->listen(nullptr);
    }
  }

  void start(http::Request request) {
    if (cancellation_) {
      cancellation_->listen([this](Reason why) { finish(refusal(why)); });
    }
    sending_ = owner_.client_.send(std::move(request), give_up_at(*owner_.settings_, deadline_),
                                   [this](Result<http::Response> response) {
                                     if (!response) {
                                       return finish(failed(said(explain(std::move(response).error(), deadline_))));
                                     }
                                     take(std::move(*response));
                                   });
  }

  std::list<std::shared_ptr<Passing>>::iterator place;

 private:
  [[nodiscard]] Error said(Error error) const {
    error.message = fmt::format("{}: {}", app_id_, error.message);
    return error;
  }

  void take(http::Response response) {
    answer_.status = response.status;
    answer_.fields = std::move(response.fields);
    const auto told = told_reason(answer_.fields);
    answer_.reason = told.value_or(Reason::Ok);
    if (response.status < kFirstError || told) {
      answer_.body = std::move(response.body);
      return finish(std::move(answer_));
    }
    // An app's answer, or the sidecar's own? The second names addresses, and is a failure of ours to reach the app.
    const auto self = shared_from_this();  // it may end before read_all() returns
    reading_ = read_all(std::move(response.body), kMostAnswerBytes,
                        [this](Result<std::string> body) { finish_read(std::move(body)); });
  }

  void finish_read(Result<std::string> body) {
    if (!body) {
      return finish(failed(said(
          {Reason::UpstreamFailed, fmt::format("answered {}, and then: {}", answer_.status, body.error().message)})));
    }
    if (const auto why = own_error(answer_.status, *body)) {
      return finish(failed(said({Reason::UpstreamFailed, "the sidecar refuses: " + *why})));
    }
    answer_.body = make_body(std::move(*body));
    finish(std::move(answer_));
  }

  void finish(Outcome outcome) {
    if (cancellation_) {
      cancellation_->listen(nullptr);
    }
    const auto self = shared_from_this();
    owner_.live_.erase(place);
    std::exchange(done_, nullptr)(std::move(outcome));
  }

  SidecarInvocation& owner_;
  const std::string app_id_;
  const Clock::time_point deadline_;
  const std::shared_ptr<Cancellation> cancellation_;  // may be null
  OnOutcome done_;
  Outcome answer_;
  std::shared_ptr<void> sending_;
  std::shared_ptr<void> reading_;
};

SidecarInvocation::SidecarInvocation(http::Client& client, std::shared_ptr<const Settings> settings)
    : client_(client), settings_(std::move(settings)) {}

SidecarInvocation::~SidecarInvocation() = default;

void SidecarInvocation::invoke(std::string_view app_id, Call call, OnOutcome done) {
  if (++call.hops > kMaxHops) {
    return done(refusal(Reason::UpstreamFailed, fmt::format("the call went through more than {} apps", kMaxHops)));
  }
  if (call.cancellation && call.cancellation->cancelled()) {
    return done(refusal(call.cancellation->why()));
  }
  std::string target = "/v1.0/invoke/";
  append_escaped(target, app_id);
  target += "/method";
  append_escaped_path(target, call.path);
  if (!call.query.empty()) {
    target += '?';
    target += call.query;
  }
  http::Request request = make_request(*settings_, std::move(call.method), std::move(target), call.trace);
  for (const Field& field : call.fields) {
    // An answer is passed on without its content-encoding, so none is asked for.
    if (!names_an_app(field) && !equal_ignoring_case(field.name, "accept-encoding") &&
        !equal_ignoring_case(field.name, "dapr-api-token")) {
      request.fields.add(field.name, field.value);
    }
  }
  request.fields.set("x-request-id", call.id);
  request.fields.set(kHops, std::to_string(call.hops));
  if (call.body->length() != 0) {
    request.body = std::move(call.body);
  }
  const auto passing =
      std::make_shared<Passing>(*this, app_id, call.deadline, std::move(call.cancellation), std::move(done));
  passing->place = live_.insert(live_.end(), passing);
  passing->start(std::move(request));
}

}  // namespace trilby::dapr::sidecar
