#include "http/server.h"

#include <utility>
#include <vector>

#include "http/connection.h"

namespace trilby::http {

struct Server::Impl {
  std::shared_ptr<ServerCore> core;
};

Server::Server(net::Loop& loop, ServerLimits limits, Handler handler, RefusalPage refusal_page,
               std::shared_ptr<const net::TlsContext> tls, observe::HandshakeMetrics* handshakes)
    : impl_(std::make_unique<Impl>()) {
  impl_->core = std::make_shared<ServerCore>(ServerCore{.loop = loop,
                                                        .limits = limits,
                                                        .handler = std::move(handler),
                                                        .refusal_page = std::move(refusal_page),
                                                        .tls = std::move(tls),
                                                        .handshakes = handshakes});
}

Server::~Server() {
  impl_->core->drained = nullptr;
  const std::vector<std::shared_ptr<ServerConnection>> connections(impl_->core->connections.begin(),
                                                                   impl_->core->connections.end());
  for (const auto& connection : connections) {
    connection->fail();
  }
}

void Server::serve(net::Accepted connection) {
  if (connections() >= impl_->core->limits.connections) {
    return;
  }
  const auto served = std::make_shared<Connection>(impl_->core, std::move(connection));
  impl_->core->connections.insert(served);
  served->start();
}

void Server::drain(std::function<void()> drained) {
  impl_->core->draining = true;
  const std::vector<std::shared_ptr<ServerConnection>> connections(impl_->core->connections.begin(),
                                                                   impl_->core->connections.end());
  for (const auto& connection : connections) {
    connection->drain();
  }
  if (impl_->core->connections.empty()) {
    impl_->core->loop.post(std::move(drained));
  } else {
    impl_->core->drained = std::move(drained);
  }
}

std::size_t Server::connections() const {
  return impl_->core->connections.size();
}

}  // namespace trilby::http
