#include "observe/span.h"

#include "base/protobuf.h"

namespace trilby::observe {
namespace {

// ScopeSpans
constexpr std::uint32_t kSpans = 2;
// Span
constexpr std::uint32_t kTraceId = 1;
constexpr std::uint32_t kSpanId = 2;
constexpr std::uint32_t kTraceState = 3;
constexpr std::uint32_t kParentSpanId = 4;
constexpr std::uint32_t kName = 5;
constexpr std::uint32_t kKind = 6;
constexpr std::uint32_t kStart = 7;
constexpr std::uint32_t kEnd = 8;
constexpr std::uint32_t kLinks = 13;
constexpr std::uint32_t kStatus = 15;
constexpr std::uint32_t kFlags = 16;
// Link: ids as in Span
constexpr std::uint32_t kLinkFlags = 6;
// SpanFlags
constexpr std::uint32_t kSampled = 0x1;  // as in traceparent
constexpr std::uint32_t kHasIsRemote = 0x100;
constexpr std::uint32_t kIsRemote = 0x200;
// Status
constexpr std::uint32_t kCode = 3;
constexpr std::uint64_t kError = 2;

constexpr std::size_t kTraceIdBytes = 16;
constexpr std::size_t kSpanIdBytes = 8;

/// Ids are bytes, the most significant first.
void append_id(std::string& out, std::uint64_t id) {
  std::array<char, kSpanIdBytes> bytes;
  for (std::size_t i = bytes.size(); i > 0; --i, id >>= 8U) {
    bytes[i - 1] = static_cast<char>(id);
  }
  out.append(bytes.data(), bytes.size());
}

void append_ids(std::string& out, const std::array<std::uint64_t, 2>& trace, std::uint64_t span) {
  ProtobufWriter writer(out);
  writer.begin_bytes(kTraceId, kTraceIdBytes);
  append_id(out, trace[0]);
  append_id(out, trace[1]);
  writer.begin_bytes(kSpanId, kSpanIdBytes);
  append_id(out, span);
}

}  // namespace

void SpanWriter::begin(const SpanIds& ids, SpanKind kind, std::string_view name, std::uint64_t began,
                       std::uint64_t ended) {
  span_.clear();
  append_ids(span_, ids.trace, ids.span);
  ProtobufWriter writer(span_);
  if (!ids.state.empty()) {
    writer.bytes(kTraceState, ids.state);
  }
  if (ids.parent != 0) {
    writer.begin_bytes(kParentSpanId, kSpanIdBytes);
    append_id(span_, ids.parent);
  }
  append_text(span_, kName, name);
  writer.integer(kKind, static_cast<std::uint64_t>(kind)).fixed64(kStart, began).fixed64(kEnd, ended);
  writer.fixed32(kFlags, kSampled | kHasIsRemote | (ids.is_parent_remote ? kIsRemote : 0));
}

void SpanWriter::link(const ParsedTraceparent& to) {
  const std::size_t size = ProtobufWriter::bytes_size(kTraceId, kTraceIdBytes) +
                           ProtobufWriter::bytes_size(kSpanId, kSpanIdBytes) + ProtobufWriter::kFixed32Size;
  ProtobufWriter writer(span_);
  writer.begin_bytes(kLinks, size);
  append_ids(span_, to.trace, to.span);
  writer.fixed32(kLinkFlags, (to.is_sampled ? kSampled : 0) | kHasIsRemote | kIsRemote);
}

void SpanWriter::fail(Reason reason, int status) {
  const std::string type = reason == Reason::Ok ? std::to_string(status) : std::string(name(reason));
  attribute("error.type", std::string_view(type));
  ProtobufWriter(span_).begin_bytes(kStatus, ProtobufWriter::integer_size(kCode, kError)).integer(kCode, kError);
}

void SpanWriter::end(std::string& out) {
  ProtobufWriter(out).bytes(kSpans, span_);
}

}  // namespace trilby::observe
