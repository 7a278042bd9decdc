/// \file  The listening sockets of a system. The supervisor opens them and keeps them, whatever becomes of its workers.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "app/manifest.h"
#include "app/ready_file.h"
#include "base/result.h"
#include "net/socket.h"

namespace trilby::app {

struct OpenListener {
  BoundAddress bound;
  Address wanted;  ///< as the manifest or a flag says it: the port may be 0
  std::shared_ptr<const net::Socket> socket;
};

/// Opens all listeners of `manifest` or none. What `held` has already is shared with it: for the same app when it asks
/// for what it asked for then, else for whoever asks for the address that is bound.
/// \return Reason::Manifest for the first that cannot be opened: its field, who has the port when that is known, and
/// the mend
[[nodiscard]] Result<std::vector<OpenListener>> open_listeners(const Manifest& manifest,
                                                               std::span<const OpenListener> held = {});

/// Lets no more connections come to a socket that is about to be closed, while those that wait in its queue can still
/// be accepted. (Closing it at once would reset them.) Who connects now is kept waiting and, once the socket is closed,
/// refused.
void refuse_connections(const net::Socket& listening);

}  // namespace trilby::app
