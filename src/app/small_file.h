/// \file  Files of a few KiB whose content is nobody's business.
#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

#include "base/result.h"

namespace trilby::app {

/// Reads a regular file, and leaves no copies of it behind.
/// \param most  bytes; the rest of a longer file is not read
/// \return the caller's to wipe; Reason::Manifest when it cannot be read: "PATH cannot be read: why"
[[nodiscard]] Result<std::vector<char>> read_small_file(const std::filesystem::path& path, std::size_t most);

}  // namespace trilby::app
