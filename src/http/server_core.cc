#include "http/server_core.h"

#include <utility>

namespace trilby::http {

void ServerCore::remove(const std::shared_ptr<ServerConnection>& connection) {
  connections.erase(connection);
  if (draining && connections.empty() && drained) {
    loop.post(std::exchange(drained, nullptr));
  }
}

tl::unexpected<Error> ServerCore::too_slow() const {
  return fail(Reason::RequestTimeout, "the request body came too slowly: it fell {} behind {} a second",
              format(limits.body_idle), format(limits.body_rate));
}

tl::unexpected<Error> peer_has_gone() {
  return fail(Reason::Cancelled, "the peer went away before the end of its request");
}

}  // namespace trilby::http
