// What a caller can write into a request line and into the fields that triggers/ and observe/ read.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/text.h"
#include "base/units.h"
#include "observe/access_log.h"
#include "observe/trace.h"
#include "triggers/conditional.h"
#include "triggers/path.h"
#include "triggers/problem.h"

namespace {

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

void check_path(std::string_view text) {
  const auto target = trilby::triggers::parse_target(text);
  if (!target) {
    return;
  }
  const std::string around = target->path + "/";
  require(around.starts_with('/') && trilby::is_utf8(around));
  require(around.find("/../") == std::string::npos && around.find("/./") == std::string::npos);
  require(target->path.find("//") == std::string::npos &&
          target->path.find_first_of(std::string_view("\0\\\n\r", 4)) == std::string::npos);
}

void check_conditions(const std::string& text, std::uint64_t size) {
  const trilby::triggers::Validators current{"\"abc\"", 784111777};
  for (const char* name : {"if-match", "if-unmodified-since", "if-none-match", "if-modified-since"}) {
    (void)check_preconditions({{name, text}}, current);
    (void)check_preconditions({{name, text}, {name, text}}, current);
  }
  for (const trilby::Fields& fields :
       {trilby::Fields{{"range", text}}, trilby::Fields{{"range", "bytes=0-"}, {"if-range", text}}}) {
    if (const auto range = requested_range(fields, current, size); range && range->length > 0) {
      require(range->first < size && range->length <= size - range->first);
    }
  }
}

/// `trilby-timeout`, whose text is a duration as in the manifest.
void check_duration(std::string_view text) {
  if (const auto duration = trilby::parse_duration(text)) {
    require(*duration >= trilby::Duration::zero() && *duration <= std::chrono::hours(24));
  }
}

void check_log(const std::string& text) {
  trilby::observe::AccessEntry entry;
  entry.app = entry.request_id = "x";
  entry.method = entry.path = entry.message = text;
  for (const auto format : {trilby::log::Format::Human, trilby::log::Format::Json}) {
    std::string line;
    append_line(line, entry, format);
    require(line.find('\n') == line.size() - 1 && line.size() <= 4096 && trilby::is_utf8(line));
  }
}

void check_trace(const std::string& text) {
  const trilby::TraceContext given = trilby::observe::accept_trace(text, text);
  if (!given.traceparent.empty()) {
    const auto parsed = trilby::observe::parse_traceparent(given.traceparent);
    const std::string written = trilby::observe::make_traceparent(parsed);
    require(trilby::observe::is_traceparent(written));
    require(written.substr(0, 53) == given.traceparent.substr(0, 53));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  check_path(text);
  check_conditions(text, size);
  check_duration(text);
  check_log(text);
  check_trace(text);
  require(trilby::is_utf8(trilby::triggers::problem_document(trilby::Reason::BadInput, 422, text, "id")));
  return 0;
}
