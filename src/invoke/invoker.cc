#include "invoke/invoker.h"

#include <algorithm>
#include <array>
#include <list>
#include <optional>
#include <utility>

#include "dapr/app_ways.h"
#include "host/dapr.h"
#include "host/host.h"
#include "invoke/admission.h"
#include "invoke/cgi.h"
#include "invoke/command.h"
#include "invoke/function.h"
#include "invoke/own_loops.h"
#include "invoke/sibling_loops.h"
#include "wasm/sandbox.h"

namespace trilby::invoke {
namespace {

class LoopInvoker;

// How long the outcome of a call on another loop may take to come back once the call has to end: that loop may stand
// still, and whoever waits is answered all the same.
constexpr std::chrono::milliseconds kAnswerFromAway{200};

/// One call on its way: its body is read, then it waits for its slots, then it runs. Whatever ends it goes through
/// finish(). The body comes first, so that whoever sends slowly takes no slot from others.
class Run {
 public:
  Run(LoopInvoker& invoker, const std::shared_ptr<const Function>& function, Call& call, OnOutcome&& done);
  Run(LoopInvoker& invoker, AdmittedCall& call, std::shared_ptr<Cancellation> cancellation, OnOutcome&& done);
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  void start();  ///< returns before anything else happens
  void start_admitted() { enter(Clock::now()); }
  void cancel(Reason why);
  void abandon(Reason why);  ///< at once, wherever it runs

  std::list<Run>::iterator self{};

 private:
  void begin();
  [[nodiscard]] Clock::time_point own_deadline() const;
  void listen();
  void read_body();
  void take_body(Result<WholeBody> body);
  void pass_gates(Clock::time_point now);
  void wait_at(Admission& gate);
  void enter(Clock::time_point now);
  void hand_over();
  bool share_out();
  [[nodiscard]] AdmittedCall admitted();
  [[nodiscard]] bool asks_dapr() const;
  [[nodiscard]] std::optional<DaprAsker> asker() const;
  void run(Clock::time_point now);
  Result<void> tell_request();
  void give_way_to_dapr();
  void end(wasm::Ending ending);
  void finish(Outcome&& outcome);
  void refuse(Error error);
  void leave_behind(Reason why);
  void give_up(Reason why, std::string_view message);

  LoopInvoker& invoker_;
  const std::shared_ptr<const Function> function_;
  std::string id_;  // of the call, as what follows; most commands see nothing else of it
  std::unique_ptr<BodySource> body_;
  const Clock::time_point caller_deadline_;
  const std::shared_ptr<Cancellation> cancellation_;
  net::Deferred begin_;  // with other calls
  OnOutcome done_;
  Clock::time_point arrived_{};  // at its first gate
  Clock::time_point began_{};    // when it had passed them all; its wall time counts from here
  Duration queued_{};

  std::shared_ptr<void> reading_;
  BodyBudget::Share input_share_;
  std::unique_ptr<Admission::Waiter> waiting_;
  const std::shared_ptr<Admission> app_;
  // Of its app, its function and the engine's pool, in this order; null: open, or passed on another loop.
  std::array<Admission*, kGates> gates_;
  std::array<Admission::Slot, kGates> slots_;  // of the gates passed
  std::size_t passed_ = 0;
  Load load_;                   // where those are counted that compute
  std::unique_ptr<Away> away_;  // set: it runs on another loop, which has its input and its slots
  Bytes input_size_{};
  host::Host host_;
  std::unique_ptr<Call> request_;         // what is left of it, for commands that see it; null for all others
  std::optional<wasm::Sandbox> sandbox_;  // after what it works on
  std::optional<wasm::Ending> ending_;
  std::optional<net::Timer> deadline_;  // set only for calls that do not end at once
  bool inline_ = false;                 // a callback comes from inside the function that it is given to
};

class LoopInvoker final : public AdmittedInvoker {
 public:
  LoopInvoker(net::Loop& loop, BodyBudgets budgets, OtherLoops other)
      : loop_(loop),
        budgets_(budgets),
        other_(std::move(other)),
        index_(other_.siblings == nullptr ? 0 : other_.siblings->add(loop, *this)) {}

  void start(const std::shared_ptr<const Function>& function, Call call, OnOutcome done) override {
    if (cancelling_) {
      return done(refuse_now(*function, std::move(call.id)));
    }
    Run& run = runs_.emplace_back(*this, function, call, std::move(done));
    run.self = std::prev(runs_.end());
    run.start();
  }

  void start_admitted(AdmittedCall call, std::shared_ptr<Cancellation> cancellation, OnOutcome done) override {
    if (cancelling_) {
      return done(refuse_now(*call.function, std::move(call.id)));
    }
    Run& run = runs_.emplace_back(*this, call, std::move(cancellation), std::move(done));
    run.self = std::prev(runs_.end());
    run.start_admitted();
  }

  [[nodiscard]] std::size_t live() const override { return runs_.size(); }

  void cancel_all(Reason why) override {
    // Their callbacks may end others, so the list is walked by turning it; and what they start is refused.
    const auto before = std::exchange(cancelling_, why);
    for (std::size_t left = runs_.size(); left > 0 && !runs_.empty(); --left) {
      runs_.splice(runs_.end(), runs_, runs_.begin());
      runs_.back().abandon(why);
    }
    cancelling_ = before;
  }

  [[nodiscard]] net::Loop& loop() { return loop_; }
  [[nodiscard]] const OtherLoops& other() const { return other_; }
  [[nodiscard]] std::size_t index() const { return index_; }  ///< among its siblings
  [[nodiscard]] const dapr::AppWays* ways_of(std::string_view app_id) const {
    return other_.ways == nullptr ? nullptr : other_.ways(app_id);
  }
  [[nodiscard]] wasm::CpuMeter& meter() { return meter_; }
  [[nodiscard]] const BodyBudgets& budgets() const { return budgets_; }
  void forget(std::list<Run>::iterator run) { runs_.erase(run); }
  /// Sees to the end of a call on another loop that was answered without it.
  void see_off(std::unique_ptr<Away> away) {
    away->forget();
    left_behind_.push_back(std::move(away));
    interrupt_left_behind();
  }

 private:
  /// Inside cancel_all(): of a call that comes too late to be one of ours.
  [[nodiscard]] Outcome refuse_now(const Function& function, std::string call_id) const {
    Outcome outcome = refusal(*cancelling_);
    outcome.function = function.name();
    outcome.call_id = std::move(call_id);
    outcome.record.ended = Clock::now();
    return outcome;
  }
  void interrupt_left_behind() {
    left_behind_.remove_if([](const auto& away) { return !away->interrupt(); });
    if (!left_behind_.empty()) {
      interrupting_.start(kNudgeEvery, [this] { interrupt_left_behind(); });
    }
  }

  net::Loop& loop_;
  const BodyBudgets budgets_;
  const OtherLoops other_;
  const std::size_t index_;
  std::list<std::unique_ptr<Away>> left_behind_;
  net::Timer interrupting_{loop_};
  wasm::CpuMeter meter_;
  std::list<Run> runs_;
  std::optional<Reason> cancelling_;  // inside cancel_all()
};

Run::Run(LoopInvoker& invoker, const std::shared_ptr<const Function>& function, Call& call, OnOutcome&& done)
    : invoker_(invoker),
      function_(function),
      id_(std::move(call.id)),
      body_(std::move(call.body)),
      caller_deadline_(call.deadline),
      cancellation_(std::move(call.cancellation)),
      begin_(invoker.loop()),
      done_(std::move(done)),
      app_(std::move(call.app)),
      gates_{app_.get(), &function_->admission(), function_->places()},
      host_(function_->name(), id_, function_->spec().policy.grants, function_->spec().environment,
            function_->models()),
      request_(function_->spec().output == Output::Cgi || !call.variables.empty() ||
                       !function_->spec().policy.grants.dapr.empty() || call.actor != nullptr
                   ? std::make_unique<Call>(std::move(call))
                   : nullptr) {}

/// What another loop has admitted.
Run::Run(LoopInvoker& invoker, AdmittedCall& call, std::shared_ptr<Cancellation> cancellation, OnOutcome&& done)
    : invoker_(invoker),
      function_(std::move(call.function)),
      id_(std::move(call.id)),
      caller_deadline_(call.deadline),
      cancellation_(std::move(cancellation)),
      begin_(invoker.loop()),
      done_(std::move(done)),
      began_(call.began),
      input_share_(std::move(call.input_share)),
      app_(std::move(call.app)),
      gates_{},
      slots_(std::move(call.slots)),
      load_(std::move(call.load)),
      input_size_{call.input.size()},
      host_(function_->name(), id_, function_->spec().policy.grants, function_->spec().environment,
            function_->models()) {
  host_.stdio.input = std::move(call.input);
  host_.request = std::move(call.request);
  if (call.asker) {
    DaprAsker& asker = *call.asker;
    host_.dapr = std::make_unique<host::DaprSession>(
        host::DaprSession::Caller{.ways = invoker.ways_of(asker.app_id),
                                  .call_id = id_,
                                  .peer = std::move(asker.peer),
                                  .trace = std::move(asker.trace),
                                  .hops = asker.hops,
                                  .actor = std::move(asker.actor),
                                  .bodies = invoker.budgets().requests,
                                  .until = std::min(call.deadline, call.began + function_->limits().wall)});
  }
}

void Run::start() {
  begin_.start([this] { begin(); });
}

void Run::begin() {
  if (cancellation_ && cancellation_->cancelled()) {
    return finish(refusal(cancellation_->why()));
  }
  read_body();
}

/// Waiting for a slot has its own bound.
Clock::time_point Run::own_deadline() const {
  return began_ == Clock::time_point{} ? Clock::time_point::max() : began_ + function_->limits().wall;
}

/// From now on the call outlives this turn of the loop. May end it: last in its caller.
void Run::listen() {
  if (cancellation_) {
    if (cancellation_->cancelled()) {
      return cancel(cancellation_->why());
    }
    cancellation_->listen([this](Reason why) { cancel(why); });
  }
  auto deadline = std::min(caller_deadline_, own_deadline());
  if (away_ && deadline < Clock::time_point::max() - kAnswerFromAway) {
    deadline += kAnswerFromAway;  // the other loop looks at it itself
  }
  if (deadline != Clock::time_point::max()) {
    if (!deadline_) {
      deadline_.emplace(invoker_.loop());
    }
    deadline_->start(deadline, [this] { cancel(Reason::LimitWall); });
  }
}

void Run::read_body() {
  const Bytes limit = function_->limits().request_body;
  BodyBudget::Share share(invoker_.budgets().requests);
  const std::uint64_t length = body_->length().value_or(limit.count + 1);
  if (length <= limit.count && share.resize(length)) {
    if (auto ready = body_->take_ready()) {
      return take_body(WholeBody{std::move(*ready), std::move(share)});
    }
    share.release();
  }
  std::optional<Result<WholeBody>> arrived;
  inline_ = true;
  reading_ = read_all(std::move(body_), limit, std::move(share), [this, &arrived](Result<WholeBody> body) {
    if (inline_) {
      arrived = std::move(body);
    } else {
      take_body(std::move(body));
    }
  });
  inline_ = false;
  if (arrived) {
    return take_body(std::move(*arrived));
  }
  listen();
}

void Run::take_body(Result<WholeBody> body) {
  if (!body) {
    return refuse(std::move(body).error());
  }
  host_.stdio.input = std::move(body->bytes);
  input_size_ = Bytes{host_.stdio.input.size()};
  input_share_ = std::move(body->share);
  arrived_ = Clock::now();
  pass_gates(arrived_);
}

/// A call that waits at one gate holds a slot of those before it. So the app's comes first, or calls that wait for
/// one app would keep another app's calls from a function that both use.
void Run::pass_gates(Clock::time_point now) {
  for (; passed_ < gates_.size(); ++passed_) {
    Admission* const gate = gates_[passed_];
    if (gate == nullptr) {
      continue;
    }
    slots_[passed_] = gate->try_enter();
    if (!slots_[passed_]) {
      return wait_at(*gate);
    }
  }
  enter(now);
}

void Run::wait_at(Admission& gate) {
  auto waiter = gate.wait(invoker_.loop(), [this](Result<Admission::Slot> slot) {
    const auto now = Clock::now();
    queued_ = now - arrived_;
    if (!slot) {
      return refuse(std::move(slot).error());
    }
    slots_[passed_++] = std::move(*slot);
    pass_gates(now);
  });
  if (!waiter) {
    return refuse(std::move(waiter).error());
  }
  waiting_ = std::move(*waiter);
  listen();
}

void Run::enter(Clock::time_point now) {
  if (request_) {
    if (auto told = tell_request(); !told) {
      return refuse(std::move(told).error());
    }
  }
  if (began_ == Clock::time_point{}) {
    began_ = now;
    if (invoker_.other().own != nullptr && policy::needs_own_loop(function_->spec().policy)) {
      return hand_over();
    }
    if (invoker_.other().siblings != nullptr && function_->prepared().history().computes() && share_out()) {
      return;
    }
  }
  const policy::Limits& limits = function_->limits();
  const wasm::Prepared& prepared = function_->prepared();
  wasm::Engine::Place place = prepared.engine().enter(prepared.history().may_be_long());
  if (!place) {
    return refuse({Reason::Overloaded, "all places of the engine's pool are taken"});
  }
  host_.stdio.output_limit = limits.response_body;
  host_.stdio.errors_limit = limits.stderr_output;
  host_.handles_left = limits.handles;
  host_.host_calls = TokenBucket(limits.host_calls_per_second);
  give_way_to_dapr();
  sandbox_.emplace(invoker_.loop(), invoker_.meter(), prepared, std::move(place),
                   wasm::Sandbox::Limits{limits.memory, limits.table_elements, limits.cpu}, &host_,
                   cancellation_.get());
  run(now);
}

/// Body, slots and shares go with the call and are given back where it ends. The caller, the deadline and the answer
/// stay here.
AdmittedCall Run::admitted() {
  return {.function = function_,
          .app = app_,
          .id = id_,
          .input = std::move(host_.stdio.input),
          .input_share = std::move(input_share_),
          .request = std::move(host_.request),
          .asker = asker(),
          .deadline = caller_deadline_,
          .began = began_,
          .slots = std::move(slots_)};
}

void Run::hand_over() {
  away_ = invoker_.other().own->hand_over(admitted(), invoker_.loop(),
                                          [this](Outcome outcome) { finish(std::move(outcome)); });
  listen();
}

/// Of a call that computes. \return whether another loop has it now
bool Run::share_out() {
  SiblingLoops& siblings = *invoker_.other().siblings;
  const std::size_t place = siblings.choose(invoker_.index());
  if (place == invoker_.index()) {
    load_ = siblings.load(place);
    return false;
  }
  if (observe::Counter* const sent = invoker_.other().sent) {
    sent->add();
  }
  AdmittedCall call = admitted();
  call.load = siblings.load(place);
  away_ = siblings.hand_over(place, std::move(call), invoker_.loop(),
                             [this](Outcome outcome) { finish(std::move(outcome)); });
  listen();
  return true;
}

/// What the command finds in its environment beside what the manifest gives it.
Result<void> Run::tell_request() {
  if (function_->spec().output == Output::Cgi) {
    TRILBY_CHECK(add_cgi_variables(*request_, host_.stdio.input.size(), host_.request));
  }
  for (const Field& variable : request_->variables) {
    TRILBY_CHECK(host_.request.add(variable.name, variable.value));
  }
  return {};
}

bool Run::asks_dapr() const {
  return request_ != nullptr && (!function_->spec().policy.grants.dapr.empty() || request_->actor != nullptr);
}

/// What another loop needs to know to ask Dapr by ways of its own, for these are bound to this one.
std::optional<DaprAsker> Run::asker() const {
  if (!asks_dapr()) {
    return std::nullopt;
  }
  return DaprAsker{.app_id = request_->ways == nullptr ? std::string() : std::string(request_->ways->app_id),
                   .peer = std::string(request_->peer),
                   .trace = request_->trace,
                   .hops = request_->hops,
                   .actor = request_->actor};
}

/// (A call that another loop has admitted has been given its way already, and has no request.)
void Run::give_way_to_dapr() {
  if (!asks_dapr()) {
    return;
  }
  host_.dapr = std::make_unique<host::DaprSession>(host::DaprSession::Caller{.ways = request_->ways,
                                                                             .call_id = id_,
                                                                             .peer = std::string(request_->peer),
                                                                             .trace = request_->trace,
                                                                             .hops = request_->hops,
                                                                             .actor = request_->actor,
                                                                             .bodies = invoker_.budgets().requests});
}

/// Most calls end in their first turn; only the others need a timer and somebody who listens.
void Run::run(Clock::time_point now) {
  inline_ = true;
  sandbox_->run(kCommandEntry, now, [this](wasm::Ending ending) {
    if (inline_) {
      ending_ = std::move(ending);
    } else {
      end(std::move(ending));
    }
  });
  inline_ = false;
  if (ending_) {
    return end(std::move(*ending_));
  }
  listen();
}

void Run::end(wasm::Ending ending) {
  const wasm::Costs costs = sandbox_->costs();
  function_->prepared().history().note_cost(costs.cpu);
  Outcome outcome = answer_of(*function_, std::move(ending), costs, host_, invoker_.budgets().answers);
  outcome.record.wall = costs.ended - began_;
  outcome.record.run = outcome.record.wall - costs.instantiate;
  outcome.record.ended = costs.ended;
  outcome.record.log_lines_dropped = function_->log().write(id_, host_.stdio, costs.ended);
  finish(std::move(outcome));
}

void Run::cancel(Reason why) {
  if (sandbox_) {
    return sandbox_->stop(why);  // comes back through end()
  }
  if (!away_) {
    return refuse({why, {}});
  }
  if (!away_->cancel(why)) {
    return give_up(why, "no loop had come to it");
  }
  if (why == Reason::LimitWall) {  // its loop has had kAnswerFromAway to say so itself
    return leave_behind(why);
  }
  deadline_.emplace(invoker_.loop()).start(kAnswerFromAway, [this, why] { leave_behind(why); });
}

void Run::abandon(Reason why) {
  if (!away_) {
    return cancel(why);
  }
  (void)away_->cancel(why);
  give_up(why, {});
}

/// It was told to end and does so when it can.
void Run::leave_behind(Reason why) {
  invoker_.see_off(std::move(away_));
  give_up(why, "the loop that runs it does not answer");
}

/// Answers for a call whose loop does not, without a record.
void Run::give_up(Reason why, std::string_view message) {
  Outcome outcome = refusal(Error{why, std::string(message)});
  if (why == Reason::LimitWall) {
    outcome.detail = fmt::format("it may take {}", format(function_->limits().wall));
  }
  outcome.record.wall = Clock::now() - began_;
  finish(std::move(outcome));
}

void Run::refuse(Error error) {
  Outcome outcome = refusal(std::move(error));
  if (outcome.reason == Reason::BodyTooLarge) {
    outcome.detail = fmt::format("it may have {}", format(function_->limits().request_body));
  }
  finish(std::move(outcome));
}

void Run::finish(Outcome&& outcome) {
  if (cancellation_) {
    cancellation_->listen(nullptr);
  }
  if (outcome.reason == Reason::LimitWall && caller_deadline_ < own_deadline()) {
    outcome.detail = "the caller gave it no more time";
  }
  outcome.function = function_->name();
  outcome.call_id = std::move(id_);
  outcome.record.queued = queued_;
  outcome.record.input = input_size_;
  outcome.record.memory_limit = function_->limits().memory;
  if (outcome.record.ended == Clock::time_point{}) {
    outcome.record.ended = Clock::now();
  }
  const OnOutcome done = std::move(done_);
  invoker_.forget(self);  // destroys this, and gives the slot to the next
  done(std::move(outcome));
}

}  // namespace

std::unique_ptr<Invoker> make_invoker(net::Loop& loop, BodyBudgets budgets, OtherLoops other) {
  return std::make_unique<LoopInvoker>(loop, budgets, std::move(other));
}

std::unique_ptr<AdmittedInvoker> make_admitted_invoker(net::Loop& loop, BodyBudgets budgets, FindWays ways) {
  return std::make_unique<LoopInvoker>(loop, budgets, OtherLoops{.ways = std::move(ways)});
}

Outcome run_once(const std::shared_ptr<const Function>& function, Call call) {
  net::Loop loop;
  Outcome outcome;
  std::optional<OwnLoops> own;
  if (policy::needs_own_loop(function->spec().policy)) {
    own.emplace(1);
  }
  const auto invoker = make_invoker(loop, {}, {.own = own ? &*own : nullptr});
  loop.post([&] {
    invoker->start(function, std::move(call), [&](Outcome ended) {
      outcome = std::move(ended);
      loop.stop();
    });
  });
  loop.run();
  return outcome;
}

}  // namespace trilby::invoke
