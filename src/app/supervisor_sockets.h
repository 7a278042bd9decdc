/// \file  The listening sockets of a system. The supervisor opens them once and keeps them, whatever becomes of its
/// workers.
#pragma once

#include <vector>

#include "app/manifest.h"
#include "app/ready_file.h"
#include "base/result.h"
#include "net/socket.h"

namespace trilby::app {

struct OpenListener {
  BoundAddress bound;
  net::Socket socket;
};

/// Opens all of them or none.
/// \return Reason::Manifest for the first that cannot be opened: its field, who has the port when that is known, and
/// the mend
[[nodiscard]] Result<std::vector<OpenListener>> open_listeners(const Manifest& manifest);

}  // namespace trilby::app
