/// \file  The worker: takes listening sockets, loads what the manifest names, serves until told to stop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "app/manifest.h"
#include "base/result.h"
#include "base/units.h"
#include "call/fields.h"

namespace trilby::app {

/// What a listening socket is for (design: two kinds of listener, and the admin's).
enum class ListenerKind : std::uint8_t {
  AppChannel,  ///< an app's `port`: what Dapr brings, and its routes
  Public,      ///< an app's `public` address: its routes and nothing else
  Admin,       ///< /livez, /readyz, /metrics
};

struct Listener {
  ListenerKind kind = ListenerKind::AppChannel;
  std::string app;  ///< app-id; empty for Admin
  int socket = -1;  ///< bound, listening TCP socket; the worker closes it when it drains
};

/// What a supervisor tells its worker: each is one packet of one byte.
enum class Order : char {
  Serve = 'g',    ///< after Report::Loaded: take connections
  Arrange = 'a',  ///< no worker before takes connections or arranges anything any more: see to it what sidecars have
  Retire = 'r',   ///< another worker serves now: leave the admin listener to it, and drain
  Stop = 's',     ///< drain; while it drains already: end at once
};
/// What a worker tells its supervisor.
enum class Report : char {
  Loaded = 'l',    ///< everything is there; not one connection was taken, so it may still be killed without loss
  Serving = 's',   ///< connections are taken
  Released = 'd',  ///< after Order::Retire: no connection is taken, and nothing is arranged with sidecars, any more
};

/// How calls reach other apps of the same manifest. (Those of other manifests are always reached through the sidecar.)
enum class OtherApps : std::uint8_t { InProcess, ThroughSidecars };

struct WorkerOptions {
  std::vector<Listener> listeners;
  std::uint32_t loops = 0;          ///< event loops, 1..256; 0: one per core
  std::filesystem::path aot_cache;  ///< folder for compiled modules; empty: the user's cache folder
  std::string app_token;            ///< what callers of app channels must show (Dapr's APP_API_TOKEN); empty: nothing
  std::string dapr_token;           ///< what sidecars want to see (DAPR_API_TOKEN); empty: nothing
  Fields traces_headers;            ///< what a collector wants to see of requests with spans
  Fields metrics_headers;           ///< the same of those with metrics
  OtherApps other_apps = OtherApps::InProcess;
  int access_log = 2;  ///< where access lines go, in the format of log::format(); negative: nowhere
  Duration grace =
      std::chrono::seconds(10);  ///< how long calls may go on once the worker drains; then they are cancelled
  /// A descriptor that gives one Order a read; the end of the file is Order::Stop. The caller closes it.
  int orders = -1;
  int counts = -1;  ///< SharedCounts::file, which the worker closes; -1: nobody counts
  /// Another worker serves the same system until this one does, so the admin listener is left to it until Order::Serve.
  /// Otherwise it is served while everything else loads.
  bool beside = false;
  /// Runs once for each Report, on the thread that called run_worker.
  std::function<void(Report)> report;
};

/// Loads models, compiles functions (through the cache, with a log line each), serves when told to, and drains when
/// told to: takes what waits in the listeners' queues, closes them, and lets requests end within the grace period.
/// Blocks until the last connection closed or the grace period ended. Sets no_new_privs for the process.
/// Ownership: closes the sockets of `options`, also on failure.
/// Threading: starts the worker's threads and joins them.
/// \return how many requests were cut off, because they did not end in time;
///         Reason::Manifest when something that the manifest names cannot be loaded, with the field and the mend;
///         Reason::Internal when the system gives no threads or descriptors
[[nodiscard]] Result<std::size_t> run_worker(const Manifest& manifest, WorkerOptions options);

}  // namespace trilby::app
