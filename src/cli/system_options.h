/// \file  What the commands that serve a system have in common.
#pragma once

#include <string>
#include <vector>

#include "app/supervisor.h"
#include "cli/options.h"

namespace trilby::cli {

/// The options of a command that serves, and a supervisor that runs as they say.
class SystemOptions {
 public:
  [[nodiscard]] std::vector<Option> options();

  /// Serves. `more` has what is this command's own: how the manifest is loaded, arguments for the worker.
  /// \return the exit code; what is wrong has been said
  [[nodiscard]] int serve(app::SupervisorOptions more) const;

  ManifestOptions manifest;

 private:
  OutputOption output_;
  std::string ready_file_;
  std::string loops_ = "0";
  std::string grace_ = "10s";
  std::string cache_;
  bool watch_ = false;
};

}  // namespace trilby::cli
