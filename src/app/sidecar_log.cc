#include "app/sidecar_log.h"

#include <algorithm>

#include "base/json_reader.h"
#include "base/log.h"
#include "base/text.h"

namespace trilby::app {
namespace {

log::Level level_of(std::string_view word) {
  return word == "debug"                                         ? log::Level::Debug
         : word == "info"                                        ? log::Level::Info
         : word == "error" || word == "fatal" || word == "panic" ? log::Level::Error
                                                                 : log::Level::Warn;
}

struct Line {
  std::string level;
  std::string scope;
  std::string message;
};

/// {"level":"info","msg":"...","scope":"dapr.runtime",...}
bool read_line(std::string_view text, Line& line) {
  const auto parsed = parse_json(text);
  if (!parsed || parsed->kind() != JsonValue::Kind::Object) {
    return false;
  }
  for (JsonCursor member(*parsed); member.next();) {
    if (member.value().kind() != JsonValue::Kind::Text) {
      continue;
    }
    const std::string key = member.key();
    if (std::string* target = key == "level"   ? &line.level
                              : key == "msg"   ? &line.message
                              : key == "scope" ? &line.scope
                                               : nullptr) {
      *target = member.value().text();
    }
  }
  return !line.level.empty();
}

}  // namespace

void SidecarLog::append(std::string_view piece) {
  while (!piece.empty()) {
    const std::size_t end = std::min(piece.find('\n'), piece.size());
    if (!cut_) {
      begun_ += piece.substr(0, std::min(end, kMaxLine - std::min(begun_.size(), kMaxLine)));
    }
    if (begun_.size() >= kMaxLine && !cut_) {
      line(begun_);
      begun_.clear();
      cut_ = true;
    }
    if (end == piece.size()) {
      return;
    }
    finish();
    piece.remove_prefix(end + 1);
  }
}

void SidecarLog::finish() {
  if (!begun_.empty()) {
    line(begun_);
  }
  begun_.clear();
  cut_ = false;
}

void SidecarLog::line(std::string_view text) {
  Line said;
  if (!read_line(text, said)) {
    last_error_ = printable_line(text, kMaxLine);
    log::warn("sidecar", {{"app", app_}, {"line", text}});
    return;
  }
  const log::Level level = level_of(said.level);
  if (level == log::Level::Error) {
    last_error_ = printable_line(said.message, kMaxLine);
  }
  log::write(level, "sidecar", {{"app", app_}, {"line", said.message}, {"scope", said.scope}});
}

}  // namespace trilby::app
