/// \file  How a supervisor hands a worker what it needs: descriptors that stay open over exec, and their numbers in the
/// arguments of the hidden command `trilby worker`. Both ends are the same program file, so the format may change with
/// it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/worker.h"
#include "base/result.h"

namespace trilby::app {

struct Handover {
  std::filesystem::path manifest_path;  ///< for messages and relative paths; its text is in manifest_fd
  int manifest_fd = -1;  ///< a sealed memfd, so that every worker of one supervisor serves the same manifest
  int reports_fd = -1;   ///< a pipe: the worker writes its Reports
  int orders_fd = -1;    ///< a pipe: see WorkerOptions::orders
  int counts_fd = -1;    ///< SharedCounts::file
  std::vector<Listener> listeners;
  /// Where sidecars are, whatever the manifest says: an app-id and a port of 127.0.0.1 each.
  std::vector<std::pair<std::string, std::uint16_t>> sidecars;
  bool through_sidecars = false;  ///< OtherApps::ThroughSidecars
  bool beside = false;            ///< see WorkerOptions::beside
};

/// "channel:web=5", "public:web=6", "admin:=7"
[[nodiscard]] std::string format(const Listener& listener);
/// \return Reason::BadRequest when it is not of that form
[[nodiscard]] Result<Listener> parse_listener(std::string_view text);

/// The arguments after the program's name. cli/worker.cc reads them.
[[nodiscard]] std::vector<std::string> to_arguments(const Handover& handover);

}  // namespace trilby::app
