/// \file  Opening files below a folder, with no way out of it.
#pragma once

#include <cstdint>
#include <string>

#include "net/socket.h"

namespace trilby::triggers {

/// A descriptor and its owner; net/ has the type already, and only closes what is in it.
using FileDescriptor = net::Socket;

/// Who sees to it that a path leads nowhere else.
enum class PathCheck : std::uint8_t {
  Kernel,    ///< openat2(2), Linux 5.6: no race, one system call
  Segments,  ///< each segment is opened by itself, where a kernel or a seccomp profile does not let openat2 through
};
[[nodiscard]] PathCheck best_path_check(int folder);

/// Opens `path` for reading, below `folder` and without following any symbolic link. Never waits for a FIFO's other
/// end.
/// \param path  relative
/// \return an empty descriptor, with errno set, when there is no such file or it may not be opened
[[nodiscard]] FileDescriptor open_beneath(int folder, const std::string& path, PathCheck check);

}  // namespace trilby::triggers
