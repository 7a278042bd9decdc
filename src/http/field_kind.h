/// \file  What a field means to the connection that carries it. Private to http/.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/text.h"

namespace trilby::http {

/// All but Plain, Host and Expect are about one connection, or frame the message on it: they are not passed on.
enum class FieldKind : std::uint8_t { Plain, Host, Length, Coding, Connection, Expect, HopByHop };

[[nodiscard]] inline FieldKind kind_of(std::string_view name) {
  struct Known {
    std::string_view name;
    FieldKind kind;
  };
  static constexpr Known kKnown[] = {
      {"host", FieldKind::Host},
      {"content-length", FieldKind::Length},
      {"transfer-encoding", FieldKind::Coding},
      {"connection", FieldKind::Connection},
      {"expect", FieldKind::Expect},
      {"keep-alive", FieldKind::HopByHop},
      {"proxy-connection", FieldKind::HopByHop},
      {"te", FieldKind::HopByHop},
      {"trailer", FieldKind::HopByHop},
      {"upgrade", FieldKind::HopByHop},
      {"http2-settings", FieldKind::HopByHop},
  };
  for (const Known& known : kKnown) {
    if (name.size() == known.name.size() && equal_ignoring_case(name, known.name)) {
      return known.kind;
    }
  }
  return FieldKind::Plain;
}

}  // namespace trilby::http
