/// \file  The supervisor: owns the listening sockets, keeps a worker alive, answers signals. Holds no engine and reads
/// no guest's bytes, so what may crash a worker does not reach it.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "app/manifest.h"
#include "app/ready_file.h"
#include "app/supervisor_sidecars.h"
#include "base/result.h"
#include "base/units.h"

namespace trilby::app {

/// A manifest as it was read once.
struct LoadedManifest {
  std::string text;   ///< handed to the workers, so that all of one reading serve the same
  Manifest manifest;  ///< with what stands above it (ports) in force
};

struct SupervisorOptions {
  /// Reads the manifest, which has at least one app: at the start, and for each reload.
  std::function<Result<LoadedManifest>()> load;
  std::vector<std::string> worker_arguments;  ///< handed through: how to log, how many loops
  Duration grace = std::chrono::seconds(10);  ///< how long a worker may drain; a little later it is killed
  bool watch = false;                         ///< reload when the manifest, a module or a model has changed
  std::optional<SidecarProgram> sidecars;     ///< one is started beside each app
  bool await_sidecar = false;        ///< of the first app: somebody else starts it, and the log says when it is there
  std::filesystem::path ready_file;  ///< written when the system serves, removed when it has stopped; empty: none
  std::function<void(const RunningSystem&)> on_serving;  ///< runs once, when the system serves for the first time
};

/// Serves until SIGTERM or SIGINT: the first drains, the second stops at once, the third kills.
///
/// SIGHUP, and a changed file, read everything anew: another worker loads beside the one that serves, takes its place
/// when it is ready, and the old one drains. Listeners whose address stays keep their socket. What cannot be loaded
/// leaves the old worker serving, and the log says why. Further wishes for a reload are one, and wait for this one.
///
/// A certificate or its key that has changed does the same to the worker alone, with the manifest in force, whether
/// files are watched or not. It is not lost when a reload that came with it fails, nor when that worker is killed: then
/// another is tried, after 1 s to 5 min. What it cannot read waits for the next change.
///
/// Sidecars are started with the first worker, and the system is said to serve once each can be used, or after a
/// minute. One that dies is replaced, after the same pauses; one that ends as soon as it was started ends the system.
/// They are stopped once the last worker has drained.
///
/// A worker that dies after it served is replaced, after 100 ms to 5 s; one that ends before the system ever served
/// ends it, for trying again would not mend what is wrong.
///
/// Blocks SIGTERM, SIGINT, SIGHUP and SIGCHLD for good. Threading: the process has no other thread but the
/// log's.
/// \return the exit code: 0 when no request was cut off at the end, else 75; or the code that the first worker ended
///         with (it has said why);
///         Reason::Manifest when the manifest cannot be read, or a port, a sidecar or the ready file cannot be had;
///         Reason::Internal
[[nodiscard]] Result<int> supervise(SupervisorOptions options);

}  // namespace trilby::app
