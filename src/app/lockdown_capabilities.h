/// \file  Giving up Linux capabilities: capabilities(7).
#pragma once

namespace trilby::app {

/// Empties the calling thread's capability sets: bounding, ambient, inheritable, permitted and effective.
/// Async-signal-safe. The bounding set stays as it is when the thread may not change it (CAP_SETPCAP); that gives it
/// nothing, for with no_new_privs no program adds to the others.
/// \return 0 or an errno
[[nodiscard]] int drop_thread_capabilities();

/// Whether the calling thread holds any capability, permitted or effective.
[[nodiscard]] bool holds_capabilities();

}  // namespace trilby::app
