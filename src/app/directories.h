/// \file  Whether the directories that functions are granted are there, and whether what they may write is theirs
/// alone.
#pragma once

#include <filesystem>

#include "app/manifest.h"
#include "base/result.h"

namespace trilby::app {

/// Looks at the directories of `function`. A folder that it may write to must not hold what decides about functions:
/// the manifest, modules, models, secrets, the cache of compiled code or this program. Links are followed, so that it
/// does not matter by which name a folder is called.
/// \param cache  the directory of compiled code
/// \return Reason::Manifest with "file:line: function.NAME.allow.directories.MOUNT: what is wrong; what mends it"
[[nodiscard]] Result<void> check_directories(const Manifest& manifest, const Function& function,
                                             const std::filesystem::path& cache);

}  // namespace trilby::app
