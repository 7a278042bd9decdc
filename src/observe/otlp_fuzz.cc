// What a collector answers, and what callers write on its way into a span.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/text.h"
#include "observe/otlp.h"
#include "observe/test_spans.h"

namespace {

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

bool is_bounded_text(const std::string& text) {
  return trilby::is_utf8(text) && !trilby::has_control_characters(text) &&
         text.size() <= trilby::observe::kMaxAttributeBytes + 3;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)trilby::observe::refused_count(text);

  trilby::observe::SpanWriter writer;
  std::string batch;
  for (int i = 0; i < 2; ++i) {
    writer.begin({{1, 2}, 3, 4, true, {}}, trilby::observe::SpanKind::Server, text, 0, UINT64_MAX);
    writer.attribute("url.path", text);
    writer.attribute("size", static_cast<std::int64_t>(size));
    writer.end(batch);
  }
  const auto spans = trilby::observe::read_spans(batch);
  require(spans.size() == 2);
  for (const auto& span : spans) {
    require(is_bounded_text(span.name) && is_bounded_text(span.attributes.at("url.path")));
    require(span.attributes.at("size") == std::to_string(size));
  }
  return 0;
}
