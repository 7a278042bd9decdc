/// \file  The operator's log: what the program says about itself, on standard error. (Calls have records: observe/.)
#pragma once

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

/// Writes one whole line. Threads may call at once. The message is our own words; what others wrote goes into fields.
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

}  // namespace trilby::log
