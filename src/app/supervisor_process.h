/// \file  One worker process, as its supervisor sees it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "app/supervisor_handover.h"
#include "base/result.h"
#include "net/socket.h"

namespace trilby::app {

/// Ownership: whoever holds it waits for the process. Closing `orders` asks the worker to stop.
struct WorkerProcess {
  pid_t pid = 0;
  net::Socket reports;  ///< a Report a read; the end of the file when the worker has no more to say, or is gone
  net::Socket orders;   ///< an Order a write, which does not block
};

/// Starts this very program file as a worker: with nothing open but its standard streams and what `handover` names
/// (whose two pipes are made here); with SIGINT, SIGTERM and SIGHUP ignored, for a terminal sends them to both
/// processes.
/// \param more  arguments that the worker takes beside those of the handover
/// \return Reason::Internal when the system gives no process or descriptors
[[nodiscard]] Result<WorkerProcess> start_worker(Handover handover, const std::vector<std::string>& more);

/// Tells it what to do. \return whether it could be told
[[nodiscard]] bool tell(const WorkerProcess& worker, Order order);
/// \return the next Report of it; nothing at the end of the file
[[nodiscard]] std::optional<Report> read_report(const WorkerProcess& worker);

/// A descriptor whose content can be read from the start by whoever inherits it, and changed by nobody.
[[nodiscard]] Result<net::Socket> make_sealed_file(std::string_view content);

/// "exit code 70", "signal 11 (Segmentation fault)". \param status as waitpid() gives it
[[nodiscard]] std::string describe_exit(int status);

}  // namespace trilby::app
