/// \file  What tests read spans with: walked by their published field numbers, by nothing of what wrote them but the
/// cursor.
#pragma once

#include <bit>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/protobuf.h"

namespace trilby::observe {

struct ReadSpan {
  std::string trace, id, parent, name;  ///< ids in hexadecimal digits
  std::string state;
  std::uint64_t kind = 0, start = 0, end = 0, status = 0, flags = 0;
  std::map<std::string, std::string> attributes;
  std::vector<std::string> links;  ///< "trace/span/flags", the last as hexadecimal digits
};

inline std::string hex(std::string_view bytes) {
  std::string digits;
  for (const char c : bytes) {
    digits += fmt::format("{:02x}", static_cast<unsigned char>(c));
  }
  return digits;
}

/// Calls `take` with each field. Throws for what is malformed.
template <typename Take>
void walk_message(std::string_view message, const Take& take) {
  ProtobufCursor field(message);
  while (field.next()) {
    take(field);
  }
  if (field.is_malformed()) {
    throw std::runtime_error("malformed");
  }
}

/// A KeyValue; its value as text.
inline std::pair<std::string, std::string> read_attribute(std::string_view message) {
  std::pair<std::string, std::string> read;
  walk_message(message, [&](const ProtobufCursor& field) {
    if (field.number() == 1) {
      read.first = field.bytes().value();
      return;
    }
    walk_message(field.bytes().value(), [&](const ProtobufCursor& value) {
      switch (value.number()) {
        case 1:
          read.second = value.bytes().value();
          break;
        case 3:
          read.second = std::to_string(static_cast<std::int64_t>(value.integer().value()));
          break;
        case 4:
          read.second = fmt::format("{}", value.real().value());
          break;
        default:
          throw std::runtime_error("another type of value");
      }
    });
  });
  return read;
}

inline ReadSpan read_span(std::string_view message) {
  ReadSpan span;
  const auto fixed = [](const ProtobufCursor& field) { return std::bit_cast<std::uint64_t>(field.real().value()); };
  walk_message(message, [&](const ProtobufCursor& field) {
    switch (field.number()) {
      case 1:
        span.trace = hex(field.bytes().value());
        break;
      case 2:
        span.id = hex(field.bytes().value());
        break;
      case 3:
        span.state = field.bytes().value();
        break;
      case 4:
        span.parent = hex(field.bytes().value());
        break;
      case 5:
        span.name = field.bytes().value();
        break;
      case 6:
        span.kind = field.integer().value();
        break;
      case 7:
        span.start = fixed(field);
        break;
      case 8:
        span.end = fixed(field);
        break;
      case 9:
        span.attributes.insert(read_attribute(field.bytes().value()));
        break;
      case 13: {
        std::string link;
        walk_message(field.bytes().value(), [&](const ProtobufCursor& part) {
          link += link.empty() ? "" : "/";
          link += part.number() == 6 ? fmt::format("{:x}", part.fixed32().value()) : hex(part.bytes().value());
        });
        span.links.push_back(link);
        break;
      }
      case 15:
        walk_message(field.bytes().value(), [&](const ProtobufCursor& part) { span.status = part.integer().value(); });
        break;
      case 16:
        span.flags = field.fixed32().value();
        break;
      default:
        throw std::runtime_error(fmt::format("field {}", field.number()));
    }
  });
  return span;
}

/// The spans of a batch: field 2 of ScopeSpans.
inline std::vector<ReadSpan> read_spans(std::string_view batch) {
  std::vector<ReadSpan> spans;
  walk_message(batch, [&](const ProtobufCursor& field) {
    if (field.number() != 2) {
      throw std::runtime_error("no span");
    }
    spans.push_back(read_span(field.bytes().value()));
  });
  return spans;
}

}  // namespace trilby::observe
