#include "http/client.h"

#include <algorithm>
#include <iterator>
#include <list>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "http/client_connection.h"
#include "http/client_request.h"
#include "http/request_head.h"

namespace trilby::http {
namespace {

/// RFC 9110 section 9.2.2.
bool is_idempotent(std::string_view method) {
  static constexpr std::string_view kIdempotent[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};
  return std::find(std::begin(kIdempotent), std::end(kIdempotent), method) != std::end(kIdempotent);
}

/// What is known of one address.
struct Pool {
  std::unordered_set<std::shared_ptr<ClientConnection>> connections;  // open, and being opened
  std::vector<ClientConnection*> idle;                                // of these; the last was used last
  std::list<std::shared_ptr<ClientRequest>> waiting;
};

}  // namespace

struct Client::Impl final : std::enable_shared_from_this<Client::Impl>, ClientConnection::Owner {
  Impl(net::Loop& on, ClientLimits given) : loop(on), limits(given) {}

  /// Tells nobody anything before it returns.
  void submit(const std::shared_ptr<ClientRequest>& request);
  void refuse(const std::shared_ptr<ClientRequest>& request, Error error);
  void give_up(const std::shared_ptr<ClientRequest>& request);
  void close_all();

  net::Loop& loop;
  const ClientLimits limits;
  std::unordered_map<std::string, Pool> pools;  // by address
  bool closed = false;

 private:
  void on_idle(ClientConnection& connection) override;
  void on_closed(ClientConnection& connection) override;
  void on_stale(ClientConnection& connection, std::shared_ptr<ClientRequest> request) override;

  Pool* find_pool(const std::string& peer);
  void open(Pool& pool, std::shared_ptr<ClientRequest> request);
  [[nodiscard]] ClientConnection* take_idle(const std::string& peer);
  void wait_in_line(Pool& pool, const std::shared_ptr<ClientRequest>& request);
  [[nodiscard]] std::shared_ptr<ClientRequest> next_in_line(Pool& pool);
  void start_timer(const std::shared_ptr<ClientRequest>& request, Clock::time_point at);
  void on_time(const std::shared_ptr<ClientRequest>& request);
  void leave_line(ClientRequest& request);
  void remove(ClientConnection& connection);
  void tidy(const std::string& peer);
};

// ---- requests

/// Answers later, for whoever sends a request has no handle yet.
void Client::Impl::refuse(const std::shared_ptr<ClientRequest>& request, Error error) {
  request->refusal.emplace(loop).start([weak = std::weak_ptr(request), error = std::move(error)] {
    if (const auto refused = weak.lock()) {
      refused->refusal.reset();
      refused->answer(fail(error));
    }
  });
}

void Client::Impl::submit(const std::shared_ptr<ClientRequest>& request) {
  if (closed) {
    return refuse(request, {Reason::Draining, "the client of a request is closed"});
  }
  if (ClientConnection* const idle = take_idle(request->peer)) {
    start_timer(request, request->deadline);
    return idle->start(request);
  }
  Pool* const pool = find_pool(request->peer);
  if (pool == nullptr) {
    return refuse(request, {Reason::Overloaded, fmt::format("{}: connections to {} other addresses are in use",
                                                            request->peer, limits.addresses)});
  }
  if (pool->connections.size() < limits.connections) {
    start_timer(request, request->deadline);
    return open(*pool, request);
  }
  if (pool->waiting.size() >= limits.waiting) {
    return refuse(request, {Reason::Overloaded, fmt::format("{}: {} requests wait for one of {} connections already",
                                                            request->peer, limits.waiting, limits.connections)});
  }
  wait_in_line(*pool, request);
}

void Client::Impl::wait_in_line(Pool& pool, const std::shared_ptr<ClientRequest>& request) {
  request->in_line = pool.waiting.insert(pool.waiting.end(), request);
  request->is_waiting = true;
  start_timer(request, std::min(request->deadline, Clock::now() + limits.queue_wait));
}

std::shared_ptr<ClientRequest> Client::Impl::next_in_line(Pool& pool) {
  auto request = pool.waiting.front();
  leave_line(*request);
  start_timer(request, request->deadline);
  return request;
}

void Client::Impl::leave_line(ClientRequest& request) {
  if (std::exchange(request.is_waiting, false)) {
    pools.at(request.peer).waiting.erase(request.in_line);
  }
}

void Client::Impl::start_timer(const std::shared_ptr<ClientRequest>& request, Clock::time_point at) {
  request->timer.reset();
  if (at != Clock::time_point::max()) {
    request->timer.emplace(loop).start(at, [this, weak = std::weak_ptr(request)] {
      if (const auto due = weak.lock()) {
        on_time(due);
      }
    });
  }
}

void Client::Impl::on_time(const std::shared_ptr<ClientRequest>& request) {
  const auto self = shared_from_this();
  const bool is_deadline = Clock::now() >= request->deadline;
  const Error error = is_deadline
                          ? Error{Reason::LimitWall, fmt::format("{}: the deadline of the request came", request->peer)}
                          : Error{Reason::Overloaded, fmt::format("{}: no connection was free within {}", request->peer,
                                                                  format(limits.queue_wait))};
  request->timer.reset();
  if (request->connection != nullptr) {
    return request->connection->close(error);
  }
  leave_line(*request);
  tidy(request->peer);
  request->answer(fail(error));
}

void Client::Impl::give_up(const std::shared_ptr<ClientRequest>& request) {
  request->timer.reset();
  request->refusal.reset();
  if (request->connection != nullptr) {
    request->connection->close(std::nullopt);
  } else if (request->is_waiting) {
    leave_line(*request);
    tidy(request->peer);
  }
}

void Client::Impl::close_all() {
  closed = true;
  const Error error{Reason::Draining, "the client of a request was closed"};
  for (auto& [peer, pool] : std::exchange(pools, {})) {
    for (const auto& request : std::exchange(pool.waiting, {})) {
      request->is_waiting = false;
      request->timer.reset();
      request->answer(fail(error));
    }
    for (const auto& connection : std::exchange(pool.connections, {})) {
      connection->close(error);
    }
  }
}

// ---- connections

/// \return a connection that can take a request; null when there is none, or others wait already
ClientConnection* Client::Impl::take_idle(const std::string& peer) {
  while (true) {
    const auto found = pools.find(peer);
    if (found == pools.end() || found->second.idle.empty()) {
      return nullptr;
    }
    ClientConnection* const connection = found->second.idle.back();
    found->second.idle.pop_back();
    if (connection->is_sound()) {
      return connection;
    }
    connection->close(std::nullopt);  // which may end the pool
  }
}

/// Finds or makes a pool. Another that has only idle connections makes room. \return null when there is no room
Pool* Client::Impl::find_pool(const std::string& peer) {
  if (const auto found = pools.find(peer); found != pools.end()) {
    return &found->second;
  }
  if (pools.size() >= limits.addresses) {
    const auto unused = std::find_if(pools.begin(), pools.end(), [](const auto& entry) {
      return entry.second.waiting.empty() && entry.second.idle.size() == entry.second.connections.size();
    });
    if (unused == pools.end()) {
      return nullptr;
    }
    const auto node = pools.extract(unused);
    for (const auto& connection : std::exchange(node.mapped().connections, {})) {
      connection->close(std::nullopt);
    }
  }
  return &pools[peer];
}

void Client::Impl::open(Pool& pool, std::shared_ptr<ClientRequest> request) {
  const auto made = std::make_shared<ClientConnection>(loop, limits, request->to, *this);
  pool.connections.insert(made);
  made->start(std::move(request));
}

void Client::Impl::remove(ClientConnection& connection) {
  if (const auto found = pools.find(connection.peer()); found != pools.end()) {
    std::erase(found->second.idle, &connection);
    found->second.connections.erase(connection.shared_from_this());
  }
}

void Client::Impl::tidy(const std::string& peer) {
  if (const auto found = pools.find(peer);
      found != pools.end() && found->second.connections.empty() && found->second.waiting.empty()) {
    pools.erase(found);
  }
}

void Client::Impl::on_idle(ClientConnection& connection) {
  Pool& pool = pools.at(connection.peer());
  if (pool.waiting.empty()) {
    pool.idle.push_back(&connection);
  } else {
    connection.start(next_in_line(pool));
  }
}

void Client::Impl::on_closed(ClientConnection& connection) {
  remove(connection);
  if (const auto found = pools.find(connection.peer()); !closed && found != pools.end()) {
    if (!found->second.waiting.empty()) {
      return open(found->second, next_in_line(found->second));
    }
    tidy(connection.peer());
  }
}

void Client::Impl::on_stale(ClientConnection& connection, std::shared_ptr<ClientRequest> request) {
  remove(connection);
  open(pools.at(connection.peer()), std::move(request));  // in its place, before anybody who waits
}

// ---- the interface

Client::Client(net::Loop& loop, ClientLimits limits) : impl_(std::make_shared<Impl>(loop, limits)) {}

Client::~Client() {
  impl_->close_all();
}

std::shared_ptr<void> Client::send(Request request, Clock::time_point deadline, OnResponse on_response) {
  const BodyFraming framing = request_framing(request);
  auto head = make_request_head(request, framing, impl_->limits);
  const auto made = std::make_shared<ClientRequest>(request.to, deadline, std::move(on_response));
  made->framing = framing;
  made->is_idempotent = is_idempotent(request.method);
  made->method = std::move(request.method);
  made->body = std::move(request.body);
  if (head) {
    made->head = std::move(*head);
    impl_->submit(made);
  } else {
    impl_->refuse(made, std::move(head).error());
  }
  return {made.get(), [made, weak = std::weak_ptr(impl_)](void* /*handle*/) {
            if (!made->on_response) {
              return;  // it has run
            }
            made->on_response = nullptr;
            if (const auto impl = weak.lock()) {
              impl->give_up(made);
            }
          }};
}

Client::Usage Client::usage() const {
  Usage usage;
  for (const auto& [peer, pool] : impl_->pools) {
    usage.open += pool.connections.size();
    usage.idle += pool.idle.size();
    usage.waiting += pool.waiting.size();
  }
  return usage;
}

}  // namespace trilby::http
