/// \file  The supervisor: owns the listening sockets, keeps a worker alive, answers signals. Holds no engine and reads
/// no guest's bytes, so what may crash a worker does not reach it.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "app/manifest.h"
#include "app/ready_file.h"
#include "base/result.h"
#include "base/units.h"

namespace trilby::app {

struct SupervisorOptions {
  std::string manifest_text;                  ///< what `manifest` was read from; each worker reads it anew
  std::vector<std::string> worker_arguments;  ///< handed through: how to log, how many loops
  Duration grace = std::chrono::seconds(10);  ///< how long a worker may drain; a little later it is killed
  std::filesystem::path ready_file;  ///< written when the system serves, removed when it has stopped; empty: none
  std::function<void(const RunningSystem&)> on_serving;  ///< runs once, when the system serves for the first time
};

/// Serves until SIGTERM or SIGINT (the first drains, the second stops at once, the third kills). A worker that dies
/// after it served is replaced, after 100 ms to 5 s; one that ends before the system ever served ends it, for trying
/// again would not mend what is wrong. Blocks these signals, SIGHUP and SIGCHLD for good. Threading: the process has no
/// other thread.
/// \return the exit code: 0 when drained, 75 when calls may have been cut off, else the code that the first worker
/// ended with
///         (it has said why); Reason::Manifest when a port or the ready file cannot be had; Reason::Internal
[[nodiscard]] Result<int> supervise(const Manifest& manifest, SupervisorOptions options);

}  // namespace trilby::app
