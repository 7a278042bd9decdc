/// \file  When a job fires, as Dapr's scheduler has it written.
/// https://docs.dapr.io/reference/api/jobs_api/
#pragma once

#include <string_view>

namespace trilby::policy {

/// What keeps `text` from being a schedule: "@every 1m30s" of at least a second, "@daily" and its like, or six fields
/// from seconds to days of the week, of a moment that there is. Empty: nothing does.
[[nodiscard]] std::string_view schedule_defect(std::string_view text);

}  // namespace trilby::policy
