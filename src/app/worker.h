/// \file  The worker: takes listening sockets, loads what the manifest names, serves until told to stop.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "app/manifest.h"
#include "base/result.h"
#include "base/units.h"

namespace trilby::app {

/// What a listening socket is for (design: two kinds of listener, and the admin's).
enum class ListenerKind : std::uint8_t {
  AppChannel,  ///< an app's `port`; serves its routes too, unless the app has a Public one
  Public,      ///< an app's `public` address: its routes and nothing else
  Admin,       ///< /livez, /readyz, /metrics
};

struct Listener {
  ListenerKind kind = ListenerKind::AppChannel;
  std::string app;  ///< app-id; empty for Admin
  int socket = -1;  ///< bound, listening TCP socket; the worker closes it when it drains
};

struct WorkerOptions {
  std::vector<Listener> listeners;
  std::uint32_t loops = 0;          ///< event loops, 1..256; 0: one per core
  std::filesystem::path aot_cache;  ///< folder for compiled modules; empty: the user's cache folder
  int access_log = 2;               ///< where access lines go, in the format of log::format(); negative: nowhere
  Duration grace =
      std::chrono::seconds(10);  ///< how long calls may go on once the worker drains; then they are cancelled
  /// A descriptor that asks for a stop when it can be read: a signalfd, or a pipe. Every read (of at most 128 bytes, so
  /// that one signal is one) and the end of the file ask once. The first drains, the second ends at once. The caller
  /// closes it.
  int stop = -1;
  /// Runs once, on the thread that called run_worker, when every listener is served. May be empty.
  std::function<void()> ready;
};

/// Loads models, compiles functions (through the cache, with a log line each), serves, and drains when asked to stop.
/// Blocks until the last connection closed or the grace period ended. Sets no_new_privs for the process.
/// Ownership: closes the sockets of `options`, also on failure.
/// Threading: starts the worker's threads and joins them. Block the signals of `options.stop` before calling.
/// \return Reason::Manifest when something that the manifest names cannot be loaded, with the field and the mend;
///         Reason::Internal when the system gives no threads or descriptors
[[nodiscard]] Result<void> run_worker(const Manifest& manifest, WorkerOptions options);

}  // namespace trilby::app
