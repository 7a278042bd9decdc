#include "app/admin.h"

#include <algorithm>
#include <utility>

#include "app/admin_calls.h"
#include "net/socket.h"
#include "observe/exposition.h"

namespace trilby::app {
namespace {

constexpr std::uint32_t kMaxConnections = 100;

http::Response plain(int status, std::string_view text, std::string_view type = "text/plain; charset=utf-8") {
  http::Response response;
  response.status = status;
  response.fields = {
      {"content-type", std::string(type)}, {"cache-control", "no-store"}, {"x-content-type-options", "nosniff"}};
  response.body = make_body(std::string(text));
  return response;
}

http::ServerLimits limits() {
  http::ServerLimits limits;
  limits.connections = kMaxConnections;
  return limits;
}

std::string_view describe(WorkerState state) {
  switch (state) {
    case WorkerState::Starting:
      return "starting\n";
    case WorkerState::Serving:
      return "ok\n";
    case WorkerState::Draining:
      return "draining\n";
  }
  return "";
}

/// Whether a request may be for this listener. A page in a browser on this machine can be told by its own name server
/// that its name is 127.0.0.1 (DNS rebinding), and would then read what is said here; the Host is still its own.
bool is_meant_for_us(http::Exchange& exchange) {
  const std::string* host = exchange.head().fields.find("host");
  // Whoever opened the listener to others knows what they call it.
  return host == nullptr || !net::is_loopback(exchange.peer()) || net::is_loopback(*host);
}

}  // namespace

Admin::Admin(ServingLoop& home, std::vector<ServingLoop*> loops, std::vector<const observe::OwnLoopMetrics*> own,
             const observe::Labels& labels, const std::atomic<WorkerState>& state, const Watchdog& watchdog)
    : home_(home),
      loops_(std::move(loops)),
      labels_(labels),
      state_(state),
      watchdog_(watchdog),
      metrics_(home, loops_, std::move(own), labels),
      server_(
          home.loop(), limits(), [this](const std::shared_ptr<http::Exchange>& exchange) { handle(exchange); },
          [](Reason reason, std::string_view /*detail*/) {
            return plain(info(reason).status, std::string(info(reason).title) + "\n");
          }) {}

void Admin::adopt(net::Accepted connection) {
  server_.serve(std::move(connection));
}

void Admin::handle(const std::shared_ptr<http::Exchange>& exchange) {
  const http::RequestHead& head = exchange->head();
  const std::string_view target = head.target;
  const std::string_view path = target.substr(0, target.find('?'));
  if (path != "/livez" && path != "/readyz" && path != "/metrics" && path != "/calls") {
    return exchange->respond(plain(404, "There are /livez, /readyz, /metrics and /calls.\n"));
  }
  if (head.method != "GET" && head.method != "HEAD") {
    http::Response response = plain(405, "Only GET and HEAD.\n");
    response.fields.add("allow", "GET, HEAD");
    return exchange->respond(std::move(response));
  }
  if (!is_meant_for_us(*exchange)) {
    return exchange->respond(plain(421, "From this machine, ask for 127.0.0.1, [::1] or localhost.\n"));
  }
  if (path == "/livez") {
    const bool stuck = watchdog_.stuck();
    return exchange->respond(plain(stuck ? 503 : 200, stuck ? "an event loop is stuck\n" : "ok\n"));
  }
  if (path == "/readyz") {
    const WorkerState state = state_.load();
    return exchange->respond(plain(state == WorkerState::Serving ? 200 : 503, describe(state)));
  }
  if (path == "/calls") {
    return answer_calls(exchange, target.substr(std::min(path.size() + 1, target.size())));
  }
  metrics_.gather([this, exchange] { answer_metrics(*exchange); });
}

/// Each loop brings the calls that it keeps; the last one to do so sends for the answer.
void Admin::answer_calls(const std::shared_ptr<http::Exchange>& exchange, std::string_view query) {
  struct Gathering {
    CallQuery query;
    std::vector<std::vector<observe::EndedCall>> found;
    std::atomic<std::size_t> missing;
  };
  auto parsed = parse_call_query(query, labels_);
  if (!parsed) {
    return exchange->respond(plain(400, parsed.error().message + "\n"));
  }
  // The exchange is the home loop's and stays there, with a number for those who may speak of it elsewhere.
  const std::uint64_t number = next_question_++;
  questions_.emplace(number, exchange);
  auto gathering = std::make_shared<Gathering>();
  gathering->query = *parsed;
  gathering->found.resize(loops_.size());
  gathering->missing = loops_.size();
  for (std::size_t i = 0; i < loops_.size(); ++i) {
    loops_[i]->loop().post([this, i, number, gathering] {
      gathering->found[i] = loops_[i]->calls().newest(
          gathering->query.limit, [&](const observe::EndedCall& call) { return gathering->query.wants(call); });
      if (gathering->missing.fetch_sub(1) == 1) {
        home_.loop().post([this, number, gathering] {
          const CallQuery::Form form = gathering->query.form;
          const auto calls = newest_of(std::move(gathering->found), gathering->query);
          const auto asked = questions_.extract(number);
          asked.mapped()->respond(plain(200, render_calls(calls, labels_, form, Moment::now()), content_type(form)));
        });
      }
    });
  }
}

void Admin::answer_metrics(http::Exchange& exchange) const {
  const std::string* accept = exchange.head().fields.find("accept");
  const observe::TextFormat format = observe::negotiate(accept == nullptr ? "" : *accept);
  exchange.respond(
      plain(200, metrics_.with([&](const observe::MetricSources& all) { return observe::render_metrics(all, format); }),
            observe::content_type(format)));
}

}  // namespace trilby::app
