#include "app/wiring_loop.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <sched.h>

namespace trilby::app {
namespace {

constexpr std::chrono::milliseconds kFlushAfter{200};
constexpr std::size_t kKeptCalls = 256;

}  // namespace

ServingLoop::ServingLoop(const observe::Labels& labels, int log_fd, log::Format format, observe::Sampling sampling,
                         invoke::BodyBudgets budgets, invoke::OwnLoops* own, invoke::SiblingLoops& siblings)
    : metrics_(labels),
      calls_(kKeptCalls),
      labels_(labels),
      log_(log_fd, format, sampling),
      flush_timer_(loop_),
      request_bodies_(budgets.requests),
      invoker_(invoke::make_invoker(loop_, budgets,
                                    {.own = own,
                                     .siblings = &siblings,
                                     .ways = [this](std::string_view app_id) { return ways_of(app_id); },
                                     .sent = &metrics_.calls_sent})),
      answers_(budgets.answers) {}

ServingLoop::~ServingLoop() {
  stop();
}

void ServingLoop::start(bool in_batches) {
  thread_ = std::thread([this, in_batches] { run(in_batches); });
}

void ServingLoop::stop() {
  if (thread_.joinable()) {
    loop_.stop();
    thread_.join();
  }
}

void ServingLoop::run(bool in_batches) {
  const sched_param priority{};
  if (in_batches && sched_setscheduler(0, SCHED_BATCH, &priority) != 0) {
    log::warn("the kernel refuses the loops SCHED_BATCH; they serve as other threads do",
              {{"error", std::strerror(errno)}});
  }
  loop_.run();
  // Connections go first, then the calls that answered them, then who made these. A request may still be held by its
  // channel, and looks into its front when it ends.
  servers_.clear();
  cancel_calls(Reason::Draining);
  if (ways_) {
    ways_->hang_up();
  }
  channels_.clear();
  grpc_channels_.clear();
  fronts_.clear();
  grpc_fronts_.clear();
  routers_.clear();
  ways_.reset();
  flush_timer_.cancel();
  log_.flush();
}

/// Outputs of calls that ended may begin others of the same delivery, so calls are ended before and after.
void ServingLoop::cancel_calls(Reason why) {
  invoker_->cancel_all(why);
  for (const auto& router : routers_) {
    router->cancel_outputs(why);
  }
  invoker_->cancel_all(why);
}

void ServingLoop::trace(const SpanExport& spans, std::size_t apps) {
  spans_.emplace(loop_, spans, apps, metrics_.dropped_spans, ids_, labels_);
}

observe::Tracer* ServingLoop::tracer(std::size_t app) const {
  return spans_ ? &spans_->tracer(app) : nullptr;
}

const dapr::AppWays* ServingLoop::ways_of(std::string_view app_id) const {
  const auto at =
      std::find_if(routers_.begin(), routers_.end(), [&](const auto& router) { return router->app_id() == app_id; });
  return at == routers_.end() ? nullptr : &(*at)->ways();
}

void ServingLoop::hand_over_spans() {
  if (spans_) {
    spans_->hand_over();
  }
}

void ServingLoop::serve(const std::vector<AppRoutes>& apps, const std::vector<ServedListener>& listeners,
                        const http::ServerLimits& limits, OtherApps other_apps) {
  ways_.emplace(loop_);
  for (const AppRoutes& app : apps) {
    observe::Tracer* const spans = tracer(routers_.size());
    LoopWays::Ways& ways = ways_->add(app, invocation_, spans);
    triggers::Router& router = *routers_.emplace_back(std::make_unique<triggers::Router>(
        app.app, app.table,
        triggers::LoopServices{*invoker_, *ways.invocation, metrics_, ids_, calls_,
                               ways.blocks ? &*ways.blocks : nullptr, answers_, spans}));
    if (other_apps == OtherApps::InProcess) {
      invocation_.add_app(app.app, [&router](Call call, OnOutcome done) {
        const triggers::Route* route = router.match(call);
        router.run(route, std::move(call), std::move(done));
      });
    }
    const bool speaks_grpc = is_grpc(app.protocol);
    channels_.push_back(
        speaks_grpc ? nullptr : std::make_unique<triggers::AppChannel>(app.triggers, router, ids_, request_bodies_));
    grpc_channels_.push_back(speaks_grpc ? std::make_unique<triggers::GrpcChannel>(app.triggers, *app.table, router,
                                                                                   ids_, most_of_one_body(), answers_)
                                         : nullptr);
  }
  for (const ServedListener& listener : listeners) {
    serve_listener(apps[listener.app], listener, limits);
  }
}

Bytes ServingLoop::most_of_one_body() const {
  return request_bodies_ == nullptr ? Bytes{UINT32_MAX} : Bytes{request_bodies_->limit().count / 2};
}

void ServingLoop::serve_listener(const AppRoutes& app, const ServedListener& listener,
                                 const http::ServerLimits& limits) {
  triggers::LogRequest log;
  if (log_.enabled()) {
    log = [this](const observe::AccessEntry& entry) { log_request(entry); };
  }
  triggers::Router& router = *routers_[listener.app];
  triggers::FrontServices services{router.app_id(),
                                   metrics_,
                                   ids_,
                                   std::move(log),
                                   app.unmatched_label,
                                   tracer(listener.app),
                                   listener.tls ? "https" : "http"};
  http::ServerLimits of_listener = limits;
  of_listener.speaks_for_many = listener.is_app_channel;
  triggers::GrpcChannel* const grpc = listener.is_app_channel ? grpc_channels_[listener.app].get() : nullptr;
  if (grpc != nullptr) {
    return make_server(grpc_fronts_, of_listener, listener, triggers::GrpcFrontOptions{listener.token, request_bodies_},
                       *grpc, std::move(services));
  }
  make_server(fronts_, of_listener, listener,
              triggers::FrontOptions{listener.token, listener.is_app_channel ? channels_[listener.app].get() : nullptr},
              router, std::move(services));
}

template <typename Front, typename... Parts>
void ServingLoop::make_server(std::vector<std::unique_ptr<Front>>& fronts, const http::ServerLimits& limits,
                              const ServedListener& listener, Parts&&... parts) {
  Front& front = *fronts.emplace_back(std::make_unique<Front>(std::forward<Parts>(parts)...));
  servers_.push_back(std::make_unique<http::Server>(
      loop_, limits, [&front](const std::shared_ptr<http::Exchange>& exchange) { front.handle(exchange); },
      [&front](Reason reason, std::string_view detail) { return front.refuse(reason, detail); }, listener.tls,
      listener.tls ? &metrics_.handshakes(listener.tls_label) : nullptr));
}

void ServingLoop::adopt(std::size_t listener, net::Accepted connection) {
  servers_[listener]->serve(std::move(connection));
}

void ServingLoop::sample() {
  std::size_t connections = 0;
  for (const auto& server : servers_) {
    connections += server->connections();
  }
  metrics_.connections.set(static_cast<std::int64_t>(connections));
}

void ServingLoop::drain(const std::function<void()>& drained) {
  undrained_ = servers_.size();
  if (undrained_ == 0) {
    return drained();
  }
  for (const auto& server : servers_) {
    server->drain([this, drained] {
      if (--undrained_ == 0) {
        drained();
      }
    });
  }
}

void ServingLoop::log_request(const observe::AccessEntry& entry) {
  log_.append(entry);
  metrics_.dropped_log_lines.add(log_.take_dropped());
  if (log_.pending() && !flush_timer_.running()) {
    flush_timer_.start(kFlushAfter, [this] { flush_log(); });
  }
}

void ServingLoop::flush_log() {
  log_.flush();
  metrics_.dropped_log_lines.add(log_.take_dropped());
  if (log_.pending()) {  // the reader is slow
    flush_timer_.start(kFlushAfter, [this] { flush_log(); });
  }
}

}  // namespace trilby::app
