/// \file  The seccomp filter: which system calls may still be made. seccomp(2)
#pragma once

#include "base/result.h"

namespace trilby::app {

/// What the filter lets through besides what every worker does.
struct SystemCallNeeds {
  bool write_files = false;  ///< opening for writing, making, renaming and removing files
  bool connect = false;      ///< TCP sockets of its own, and connecting them
  bool native_code = false;  ///< turning memory that was written into code that can be run
};

/// Whether the kernel takes filters, and can end a whole process by one.
[[nodiscard]] bool has_seccomp();

/// Binds every thread of the process, at once and for good, and those that come. Needs no_new_privs. A call that is not
/// allowed ends the process when nobody honest makes it (starting programs, tracing, mounting ...: SIGSYS); else it
/// fails, as "no such call" where libraries have another way, as "not permitted" where they must not try one.
/// \return Reason::Internal when the kernel does not take it
[[nodiscard]] Result<void> filter_system_calls(const SystemCallNeeds& needs);

}  // namespace trilby::app
