#include "base/log.h"

#include <cstdlib>
#include <memory>

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "base/json.h"
#include "base/text.h"

namespace trilby::log {
namespace {

constexpr std::size_t kMaxValueBytes = 4096;
constexpr std::string_view kJsonPattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})";
constexpr std::string_view kHumanPattern = "%H:%M:%S.%e %^%-5l%$ %v";

Format current_format = Format::Human;

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    // Colour only where a person looks, and NO_COLOR is honoured (no-color.org).
    const bool plain = std::getenv("NO_COLOR") != nullptr;
    auto made = spdlog::stderr_color_mt("trilby", plain ? spdlog::color_mode::never : spdlog::color_mode::automatic);
    made->set_pattern(std::string(kHumanPattern));
    return made;
  }();
  return *instance;
}

spdlog::level::level_enum translate(Level level) {
  switch (level) {
    case Level::Debug:
      return spdlog::level::debug;
    case Level::Info:
      return spdlog::level::info;
    case Level::Warn:
      return spdlog::level::warn;
    case Level::Error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

}  // namespace

void configure(Format format, Level least) {
  current_format = format;
  logger().set_level(translate(least));
  logger().set_formatter(std::make_unique<spdlog::pattern_formatter>(
      std::string(format == Format::Json ? kJsonPattern : kHumanPattern),
      format == Format::Json ? spdlog::pattern_time_type::utc : spdlog::pattern_time_type::local));
}

Format format() {
  return current_format;
}

void write(Level level, std::string_view message, Fields fields) {
  spdlog::logger& out = logger();
  if (!out.should_log(translate(level))) {
    return;
  }
  std::string line;
  if (current_format == Format::Json) {
    line += "\"message\":";
    append_json_string(line, message);
    for (const Field& field : fields) {
      line += ',';
      append_json_string(line, field.name);
      line += ':';
      append_json_string(line, std::string_view(field.value).substr(0, kMaxValueBytes));
    }
  } else {
    line += message;
    for (const Field& field : fields) {
      line += fmt::format("  {}={}", field.name, printable_line(field.value, kMaxValueBytes));
    }
  }
  out.log(translate(level), "{}", line);
}

}  // namespace trilby::log
