/// \file  Starting a program that does not outlive its supervisor, and a pipe to it.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "net/socket.h"

namespace trilby::app {

struct Child {
  std::string program;                 ///< a path; not looked for
  std::vector<std::string> arguments;  ///< the first is the name that it goes by
  std::vector<int> inherited;          ///< descriptors that stay open, beside the standard streams
  int output = -1;                     ///< its standard output and error; -1: as ours
  std::vector<std::string> variables;  ///< "NAME=value", over our environment
  /// What a terminal sends to all its processes does not reach it: it is in a group of its own, and signals do what
  /// they usually do. Otherwise it ignores SIGINT, SIGTERM, SIGHUP, SIGPIPE and SIGXFSZ, which only a program can rely
  /// on that leaves it so.
  bool own_group = false;
};

/// Starts it with nothing open but what it says, whatever this process has inherited; with no signal blocked; and with
/// the kernel's promise to kill it when the calling thread dies. Who cannot be started ends with exit code 127 and says
/// so on standard error. \return Reason::Internal when the system gives no process
[[nodiscard]] Result<pid_t> start_child(Child child);

struct Pipe {
  net::Socket read;
  net::Socket write;
};

/// \param flags  of pipe2(), beside O_CLOEXEC
/// \return Reason::Internal when the system gives no descriptors
[[nodiscard]] Result<Pipe> make_pipe(int flags);

}  // namespace trilby::app
