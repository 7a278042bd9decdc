/// \file  Opening files below a folder, with no way out of it.
#pragma once

#include <string>

#include "net/socket.h"

namespace trilby::triggers {

/// A descriptor and its owner; net/ has the type already, and only closes what is in it.
using FileDescriptor = net::Socket;

/// Opens `path` for reading, below the folder `root` and without following any symbolic link, by the kernel's own check
/// (openat2(2), Linux 5.6) or, where that is missing or forbidden, segment by segment. Never waits for a FIFO's other
/// end.
/// \param path  relative
/// \return an empty descriptor, with errno set, when there is no such file or it may not be opened
[[nodiscard]] FileDescriptor open_beneath(int root, const std::string& path);
/// The second way of these, for its tests. Refuses ".." and empty segments itself.
[[nodiscard]] FileDescriptor open_by_segments(int root, const std::string& path);

}  // namespace trilby::triggers
