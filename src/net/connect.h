/// \file  Connecting to somebody else's listening socket.
#pragma once

#include <functional>
#include <memory>

#include "base/result.h"
#include "base/units.h"
#include "net/address.h"
#include "net/loop.h"
#include "net/socket.h"

namespace trilby::net {

/// One attempt to connect, over TCP, to an address. There is no resolver yet: who has a name finds the address first.
/// Threading: loop-bound. Ownership: destroying it gives the attempt up, and nobody is told.
class Connect {
 public:
  /// Runs once, later, and may destroy the attempt. The socket is connected, non-blocking and close-on-exec. Error
  /// reasons: UpstreamFailed when the peer does not take the connection, or not within the time; Overloaded when this
  /// machine has no descriptor, memory or port left for it. The message begins with the address.
  using Done = std::function<void(Result<Socket>)>;

  Connect(Loop& loop, const Address& to, Duration timeout, Done done);
  ~Connect();
  Connect(const Connect&) = delete;
  Connect& operator=(const Connect&) = delete;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace trilby::net
