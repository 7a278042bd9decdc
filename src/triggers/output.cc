#include "triggers/output.h"

#include <fmt/format.h>

#include "triggers/outcome_text.h"

namespace trilby::triggers {
namespace {

constexpr Bytes kMostBytes{std::uint64_t{1} << 30U};  // of what a function returned; its own limit is smaller
constexpr std::string_view kUnknownType = "application/octet-stream";

using Filled = std::variant<dapr::Publication, dapr::StateEntry, dapr::BindingRequest, InvokeOutput>;

/// Makes what is to be sent, but for the data, of one event.
class Filler {
 public:
  explicit Filler(const Call& call) : call_(call) {}

  Result<Filled> operator()(const PublishOutput& output) const {
    dapr::Publication made{output.pubsub, output.topic, output.raw, {}, {}, {}};
    TRILBY_ASSIGN(made.attributes, fill(output.attributes, TextTemplate::Use::Text));
    TRILBY_ASSIGN(made.metadata, fill(output.metadata, TextTemplate::Use::Key));
    return made;
  }
  Result<Filled> operator()(const StateOutput& output) const {
    dapr::StateEntry made{output.store, {}, {}, {}};
    TRILBY_ASSIGN(made.key, fill(output.key, TextTemplate::Use::Key));
    TRILBY_ASSIGN(made.metadata, fill(output.metadata, TextTemplate::Use::Key));
    return made;
  }
  Result<Filled> operator()(const BindingOutput& output) const {
    dapr::BindingRequest made{output.binding, output.operation, {}, {}};
    TRILBY_ASSIGN(made.metadata, fill(output.metadata, TextTemplate::Use::Key));
    return made;
  }
  Result<Filled> operator()(const InvokeOutput& output) const { return output; }

 private:
  Result<std::string> fill(const TextTemplate& text, TextTemplate::Use use) const {
    return text.fill(
        use, [&](std::string_view name) { return name == kRequestId ? &call_.id : call_.variables.find(name); });
  }
  Result<dapr::Metadata> fill(const MetadataTemplates& texts, TextTemplate::Use use) const {
    dapr::Metadata made;
    for (const auto& [name, text] : texts) {
      TRILBY_ASSIGN(std::string value, fill(text, use));
      made.emplace_back(name, std::move(value));
    }
    return made;
  }

  const Call& call_;
};

/// What a function returned, with the share of the budget that it holds.
struct HeldBytes {
  std::string bytes;
  std::unique_ptr<BodySource> body;  // whose share it is, where it was taken from one
  BodyBudget::Share share;
};

SharedBytes share_of(std::shared_ptr<const HeldBytes> held) {
  const std::string* bytes = &held->bytes;
  return {std::move(held), bytes};
}

bool ended_well(const Outcome& outcome) {
  return outcome.reason == Reason::Ok && outcome.status / 100 == 2;
}

}  // namespace

class OutputSender::Sending : public std::enable_shared_from_this<Sending> {
 public:
  struct Step {
    Filled what;
    const Output* output;
  };

  Sending(std::vector<Step> steps, const Call& call)
      : steps_(std::move(steps)),
        id_(call.id),
        peer_(call.peer),
        hops_(call.hops),
        terms_{call.deadline, call.trace},
        cancellation_(call.cancellation) {}

  void start(OutputSender& owner, Outcome outcome, OnOutcome done) {
    owner_ = &owner;
    place_ = owner.live_.insert(owner.live_.end(), shared_from_this());
    done_ = std::move(done);
    payload_.content_type = kUnknownType;
    if (const std::string* type = outcome.fields.find("content-type")) {
      payload_.content_type = *type;
    }
    std::unique_ptr<BodySource> body = std::move(outcome.body);
    outcome_ = std::move(outcome);
    if (cancellation_ && cancellation_->cancelled()) {
      return fail_with(refusal(cancellation_->why()));
    }
    if (cancellation_) {
      cancellation_->listen([this](Reason why) { cancel(why); });
    }
    if (auto ready = body->take_ready()) {
      return take(std::make_shared<HeldBytes>(HeldBytes{std::move(*ready), std::move(body), {}}));
    }
    read(std::move(body));
  }

  void cancel(Reason why) {
    const auto self = shared_from_this();
    cancelled_ = why;
    if (invoked_) {  // its outcome comes from whoever was called
      return std::exchange(invoked_, nullptr)->cancel(why);
    }
    asking_.reset();
    reading_.reset();
    if (done_) {
      fail_with(refusal(why));
    }
  }

 private:
  void read(std::unique_ptr<BodySource> body) {
    const auto self = shared_from_this();  // it may end before read_all() returns
    reading_ = read_all(std::move(body), kMostBytes, BodyBudget::Share(owner_->services_.answers),
                        [this](Result<WholeBody> whole) { take_read(std::move(whole)); });
  }

  void take_read(Result<WholeBody> whole) {
    if (!whole) {
      return fail_with(refusal(std::move(whole).error()));
    }
    take(std::make_shared<HeldBytes>(HeldBytes{std::move(whole->bytes), nullptr, std::move(whole->share)}));
  }

  void take(std::shared_ptr<HeldBytes> held) {
    payload_.bytes = share_of(std::move(held));
    if (payload_.bytes->empty()) {
      next_ = steps_.size();
    }
    go_on();
  }

  void go_on() {
    if (next_ == steps_.size()) {
      outcome_.body = make_shared_body(payload_.bytes);
      return finish(std::move(outcome_));
    }
    Step& step = steps_[next_];
    began_ = Clock::now();
    if (const auto* invoke = std::get_if<InvokeOutput>(&step.what)) {
      return invoke_app(*invoke);
    }
    dapr::BuildingBlocks* const blocks = owner_->services_.blocks;
    if (blocks == nullptr) {
      return end_step(fail(Reason::UpstreamFailed, "the app has no sidecar"));
    }
    const auto on_done = [this](Result<void> result) { end_step(std::move(result)); };
    if (auto* publication = std::get_if<dapr::Publication>(&step.what)) {
      publication->payload = payload_;
      asking_ = blocks->publish(*publication, terms_, on_done);
    } else if (auto* entry = std::get_if<dapr::StateEntry>(&step.what)) {
      entry->payload = payload_;
      asking_ = blocks->save_state(*entry, terms_, on_done);
    } else if (auto* request = std::get_if<dapr::BindingRequest>(&step.what)) {
      request->payload = payload_;
      asking_ = blocks->invoke_binding(*request, terms_, on_done);
    }
  }

  void invoke_app(const InvokeOutput& output) {
    Call call;
    call.id = id_;
    call.method = "POST";
    call.path = output.path;
    call.fields.set("content-type", payload_.content_type);
    call.body = make_shared_body(payload_.bytes);
    call.deadline = terms_.deadline;
    call.trace = terms_.trace;
    call.caller = owner_->app_id_;
    call.peer = peer_;
    call.hops = hops_;
    call.cancellation = std::make_shared<Cancellation>();
    invoked_ = call.cancellation;
    owner_->services_.invocation.invoke(output.app, std::move(call),
                                        [self = shared_from_this()](Outcome answer) { self->end_invoke(answer); });
  }

  void end_invoke(const Outcome& answer) {
    invoked_.reset();
    if (ended_well(answer)) {
      return end_step({});
    }
    const bool is_ours = answer.reason == Reason::Cancelled || answer.reason == Reason::Draining;
    end_step(fail(is_ours ? answer.reason : Reason::UpstreamFailed, "it answered {} ({}){}{}", answer.status,
                  name(answer.reason), why(answer).empty() ? "" : ": ", why(answer)));
  }

  void end_step(Result<void> result) {
    const auto self = shared_from_this();
    const Output& output = *steps_[next_].output;
    const Reason reason = result ? Reason::Ok : result.error().reason;
    owner_->services_.metrics.output_ended(output.label, reason, Clock::now() - began_);
    asking_.reset();
    if (result && cancelled_) {  // what was called had ended well before it heard of it
      return fail_with(refusal(*cancelled_));
    }
    if (result) {
      ++next_;
      return go_on();
    }
    Outcome failed = refusal(reason, fmt::format("output {} of {} failed", next_ + 1, steps_.size()));
    failed.message =
        fmt::format("output {} of {}, {}: {}", next_ + 1, steps_.size(), output.name, result.error().message);
    fail_with(std::move(failed));
  }

  /// What ran and what it cost stays, whatever became of the outputs.
  void fail_with(Outcome outcome) {
    outcome.function = std::move(outcome_.function);
    outcome.call_id = std::move(outcome_.call_id);
    outcome.record = outcome_.record;
    finish(std::move(outcome));
  }

  void finish(Outcome outcome) {
    const auto self = shared_from_this();
    if (cancellation_) {
      cancellation_->listen(nullptr);
    }
    owner_->live_.erase(place_);
    std::exchange(done_, nullptr)(std::move(outcome));
  }

  std::vector<Step> steps_;
  const std::string id_;
  const std::string peer_;
  const unsigned hops_;
  const dapr::Terms terms_;
  const std::shared_ptr<Cancellation> cancellation_;  // may be null

  // Once it is sent:
  OutputSender* owner_ = nullptr;
  std::list<std::shared_ptr<Sending>>::iterator place_;
  Outcome outcome_;
  OnOutcome done_;
  dapr::Payload payload_;
  std::size_t next_ = 0;
  std::optional<Reason> cancelled_;
  Clock::time_point began_;
  std::shared_ptr<void> asking_;
  std::shared_ptr<Cancellation> invoked_;  // while another app is called
  std::shared_ptr<void> reading_;
};

OutputSender::OutputSender(std::string app_id, OutputServices services)
    : app_id_(std::move(app_id)), services_(services) {}

OutputSender::~OutputSender() = default;

Result<std::shared_ptr<OutputSender::Sending>> OutputSender::prepare(const OutputList& outputs,
                                                                     const Call& call) const {
  std::vector<Sending::Step> steps;
  const Filler filler(call);
  for (const Output& output : outputs) {
    auto filled = std::visit(filler, output.what);
    if (!filled) {
      Error error = std::move(filled).error();
      error.message = fmt::format("output {} of {}: {}", steps.size() + 1, outputs.size(), error.message);
      return fail(std::move(error));
    }
    steps.push_back({std::move(*filled), &output});
  }
  return std::make_shared<Sending>(std::move(steps), call);
}

void OutputSender::send(const std::shared_ptr<Sending>& sending, Outcome outcome, OnOutcome done) {
  if (!ended_well(outcome) || outcome.body == nullptr) {
    return done(std::move(outcome));
  }
  sending->start(*this, std::move(outcome), std::move(done));
}

void OutputSender::cancel_all(Reason why) {
  for (const auto& sending : std::vector(live_.begin(), live_.end())) {
    sending->cancel(why);
  }
}

}  // namespace trilby::triggers
