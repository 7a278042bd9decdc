/// \file  The memory in which the supervisor counts and its workers read.
#pragma once

#include <memory>

#include "base/result.h"
#include "net/socket.h"
#include "observe/supervisor_metrics.h"

namespace trilby::app {

/// Gives the pages back.
struct UnmapCounts {
  void operator()(const observe::SupervisorMetrics* counts) const;
};
using WrittenCounts = std::unique_ptr<observe::SupervisorMetrics, UnmapCounts>;
using ReadCounts = std::unique_ptr<const observe::SupervisorMetrics, UnmapCounts>;

struct SharedCounts {
  WrittenCounts counts;  ///< all 0
  net::Socket file;      ///< for read_counts() in a process that inherits it
};
/// Whoever has the descriptor can neither change its size nor, where the kernel knows of that (Linux 5.1), write to it.
/// \return Reason::Internal when the system gives no memory
[[nodiscard]] Result<SharedCounts> make_shared_counts();

/// \param descriptor  of SharedCounts::file; may be closed afterwards
/// \return Reason::Internal when it is something else
[[nodiscard]] Result<ReadCounts> read_counts(int descriptor);

}  // namespace trilby::app
