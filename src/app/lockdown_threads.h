/// \file  Doing one thing on every thread of the process, for what the kernel keeps for each thread alone: capabilities
/// and Landlock's rules. (seccomp(2) has a flag for that; landlock_restrict_self(2) has one from Linux 7.0.)
#pragma once

#include "base/result.h"

namespace trilby::app {

/// Runs `work(argument)` in a signal handler on every other thread, one after the other, then on the calling thread.
/// A thread that is made meanwhile has either been made by one that was done, or is done too; so a thread's work may
/// run twice if threads come and go. `work` may only do what is async-signal-safe, and must leave `errno` alone or
/// expect it to be restored. Only one thread at a time may call this.
/// \return Reason::Internal when a thread does not take the signal within five seconds, with its name
[[nodiscard]] Result<void> run_on_every_thread(void (*work)(void*), void* argument);

}  // namespace trilby::app
