/// \file  What a supervisor inherits from whoever started it, put in order, and the signals it answers.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "net/socket.h"

namespace trilby::app {

/// SIGTERM, SIGINT, SIGHUP and SIGCHLD of this process, read instead of handled.
class Signals {
 public:
  /// Blocks these signals for good and puts back to their defaults what the parent may have ignored: with SIGCHLD
  /// ignored the kernel would keep no exit codes. Opens /dev/null in the place of standard streams that are closed, so
  /// that no socket gets their numbers. Threading: before there are other threads.
  /// \return Reason::Internal when the system has no descriptors
  static Result<Signals> watch();

  [[nodiscard]] int descriptor() const { return descriptor_.get(); }  ///< readable when one has come
  /// \return the next one; 0 when there is none
  [[nodiscard]] int next();

  enum class Hangup : std::uint8_t { Asked, TerminalGone, Ignored };
  /// What a SIGHUP means: somebody asks for a reload; or the terminal is gone, which stops a program that nobody told
  /// to outlive it (nohup does).
  [[nodiscard]] Hangup hangup();

 private:
  net::Socket descriptor_;
  bool has_terminal_ = false;
  bool outlives_terminal_ = false;
};

}  // namespace trilby::app
