/// \file  The outer wall of a worker: what its manifest makes it need, and how it says what it got.
#pragma once

#include "app/lockdown.h"
#include "app/manifest.h"
#include "base/result.h"

namespace trilby::app {

/// Everything that serving this manifest takes: the folders of its files, and executable memory when there are models.
/// A single file stands for its folder: whoever replaces a file, as editors and package managers do, makes another one
/// that Landlock does not know.
[[nodiscard]] LockdownNeeds make_lockdown_needs(const Manifest& manifest);

/// Locks this process down as `[worker] lockdown` says, and logs what is in force, with a warning for what is not.
/// Call when everything is loaded and every folder is open, before the first call is served.
/// \return Reason::Manifest when all of it is required and the kernel has not got a layer, or a folder is gone;
///         Reason::Internal when the kernel did not do what it can
[[nodiscard]] Result<Lockdown> lock_worker_down(const Manifest& manifest);

}  // namespace trilby::app
