/// \file  Attributes, as spans, metrics and resources have them in OpenTelemetry's protocol (KeyValue of common.proto).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace trilby::observe {

// Texts from outside are made harmless: what is not UTF-8, too long, or has control characters is made so that it is
// none of these (printable_line).

/// Texts are cut at this, as OpenTelemetry's attribute length limits do.
inline constexpr std::size_t kMaxAttributeBytes = 256;

/// Appends a text as the field `number`.
void append_text(std::string& out, std::uint32_t number, std::string_view text);

/// Appends `name` = `value` as the field `number`.
void append_attribute(std::string& out, std::uint32_t number, std::string_view name, std::string_view value);
void append_attribute(std::string& out, std::uint32_t number, std::string_view name, std::int64_t value);
void append_attribute(std::string& out, std::uint32_t number, std::string_view name, double value);

}  // namespace trilby::observe
