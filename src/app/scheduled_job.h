/// \file  Jobs that the manifest says when to fire, and what the scheduler has of them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/manifest.h"

namespace trilby::app {

struct ScheduledJob {
  std::string name;
  std::string schedule;
  std::string data;  ///< JSON
};

[[nodiscard]] std::vector<ScheduledJob> scheduled_jobs(const App& app);

/// As the scheduler is told of it, a JSON text.
[[nodiscard]] std::string job_document(const ScheduledJob& job, bool overwrite);
/// Whether the scheduler has the job as it is to be: to say the same once more would begin its schedule anew. What it
/// does when the job fails is not looked at. \param answer  what it has, a JSON text
[[nodiscard]] bool is_scheduled_so(std::string_view answer, const ScheduledJob& job);

}  // namespace trilby::app
