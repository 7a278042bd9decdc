#include "observe/otlp_value.h"

#include <algorithm>

#include "base/protobuf.h"
#include "base/text.h"

namespace trilby::observe {
namespace {

// KeyValue
constexpr std::uint32_t kKey = 1;
constexpr std::uint32_t kValue = 2;
// AnyValue
constexpr std::uint32_t kString = 1;
constexpr std::uint32_t kInteger = 3;
constexpr std::uint32_t kDouble = 4;

/// Everything before the value itself. \param size  of the AnyValue
ProtobufWriter begin(std::string& out, std::uint32_t number, std::string_view name, std::size_t size) {
  ProtobufWriter writer(out);
  writer.begin_bytes(number, ProtobufWriter::bytes_size(kKey, name.size()) + ProtobufWriter::bytes_size(kValue, size));
  writer.bytes(kKey, name).begin_bytes(kValue, size);
  return writer;
}

bool is_plain(std::string_view text, std::size_t most) {
  return text.size() <= most && std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

}  // namespace

void append_text(std::string& out, std::uint32_t number, std::string_view text) {
  ProtobufWriter(out).bytes(
      number, is_plain(text, kMaxAttributeBytes) ? text : std::string_view(printable_line(text, kMaxAttributeBytes)));
}

void append_attribute(std::string& out, std::uint32_t number, std::string_view name, std::string_view value,
                      std::size_t most) {
  if (!is_plain(value, most)) {
    const std::string safe = printable_line(value, most);
    begin(out, number, name, ProtobufWriter::bytes_size(kString, safe.size())).bytes(kString, safe);
    return;
  }
  begin(out, number, name, ProtobufWriter::bytes_size(kString, value.size())).bytes(kString, value);
}

void append_attribute(std::string& out, std::uint32_t number, std::string_view name, std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value);
  begin(out, number, name, ProtobufWriter::integer_size(kInteger, bits)).integer(kInteger, bits);
}

void append_attribute(std::string& out, std::uint32_t number, std::string_view name, double value) {
  begin(out, number, name, ProtobufWriter::kFixed64Size).real(kDouble, value);
}

}  // namespace trilby::observe
