/// \file  Where the lines of a log go: a descriptor that is never waited for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace trilby::log {

/// A copy of a descriptor. Pipes and terminals are opened anew, so that non-blocking writes do not change the
/// descriptor that others share. Whoever writes has set SIGPIPE and SIGXFSZ to be ignored. Threading: one thread at a
/// time.
class Sink {
 public:
  explicit Sink(int fd);
  ~Sink();
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  struct Written {
    std::size_t bytes = 0;       ///< from the front, with which the sink is done; the rest waits for the reader
    std::size_t lost_lines = 0;  ///< among them, because the reader is gone or the disk is full
  };
  /// Writes whole lines, as many from the front as go without waiting. A line that was cut off by a full disk is ended
  /// before the next one begins.
  Written write(std::string_view lines);

  /// Whether write() is sure to return at once. A file's disk may be slow, whatever we ask.
  [[nodiscard]] bool never_waits() const { return kind_ != Kind::Polled; }
  /// Waits until there may be room, at most so long.
  void wait_for_room(int milliseconds) const;

 private:
  enum class Kind : std::uint8_t { NonBlocking, Socket, Polled };
  [[nodiscard]] std::int64_t write_some(std::string_view piece) const;
  int fd_ = -1;
  Kind kind_ = Kind::Polled;
  char last_ = '\n';   // of what was written
  bool torn_ = false;  // the line that it belongs to was given up
};

}  // namespace trilby::log
