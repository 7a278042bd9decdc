/// \file  The operator's log: what the program says about itself, on standard error. (Calls have records: observe/.)
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/core.h>

namespace trilby::log {

enum class Format : std::uint8_t { Human, Json };
enum class Level : std::uint8_t { Debug, Info, Warn, Error };

/// Sets how lines look and which are kept. Call once, before threads start; until then: human, info.
void configure(Format format, Level least);
[[nodiscard]] Format format();

/// One named value of a line. The value is escaped as the format needs, so it may come from anyone.
struct Field {
  std::string_view name;
  std::string value;

  Field(std::string_view field, std::string text) : name(field), value(std::move(text)) {}
  template <typename T>
  Field(std::string_view field, const T& content) : name(field), value(fmt::format("{}", content)) {}
};
using Fields = std::initializer_list<Field>;

/// Writes one whole line; before a Background is there, it waits until the line is out. Threads may call at once. The
/// message is our own words; what others wrote goes into fields.
void write(Level level, std::string_view message, Fields fields = {});
inline void debug(std::string_view message, Fields fields = {}) {
  write(Level::Debug, message, fields);
}
inline void info(std::string_view message, Fields fields = {}) {
  write(Level::Info, message, fields);
}
inline void warn(std::string_view message, Fields fields = {}) {
  write(Level::Warn, message, fields);
}
inline void error(std::string_view message, Fields fields = {}) {
  write(Level::Error, message, fields);
}

/// While one is there, write() waits for nobody: what the reader does not take at once goes out on a thread of its own,
/// from a bounded buffer. When that is full, lines are dropped, counted, and told in a line of their own as soon as
/// there is room; errors have room of their own. Its end writes what waits, for a reader that stands still at most
/// kLastWait. The process ignores SIGPIPE and SIGXFSZ. Threading: made and ended by one thread, one at a time; never
/// fork and go on in the child without exec.
class Background {
 public:
  /// \param fd  copied; where lines go meanwhile
  explicit Background(int fd = 2);
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  static constexpr std::size_t kMaxWaiting = 256U << 10U;        ///< bytes, but for errors
  static constexpr std::size_t kMaxErrorsWaiting = 320U << 10U;  ///< bytes, errors included
  static constexpr std::chrono::milliseconds kLastWait{1000};
};

/// Lines that were dropped since the process began, because their reader was too slow or gone, or the disk full.
[[nodiscard]] std::uint64_t dropped_lines();

/// Appends the time of a line: "2026-11-23T19:25:13.123Z" in JSON, and "19:25:13.123" in local time for people, who sit
/// beside it.
void append_time(std::string& out, std::chrono::system_clock::time_point time, Format format);

}  // namespace trilby::log
