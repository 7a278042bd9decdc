/// \file  Attributes, as spans, metrics and resources have them in OpenTelemetry's protocol (KeyValue of common.proto).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace trilby::observe {

// Texts from outside are made harmless: what is not UTF-8, too long, or has control characters is made so that it is
// none of these (printable_line).

/// Texts of spans are cut at this, as OpenTelemetry's attribute length limits do.
inline constexpr std::size_t kMaxAttributeBytes = 256;
/// Those of resources and metrics are not: they come from the manifest and its environment, and limits exempt them.
inline constexpr std::size_t kWhole = SIZE_MAX;

/// Appends a text as the field `number`.
void append_text(std::string& out, std::uint32_t number, std::string_view text);

/// Appends `name` = `value` as the field `number`. \param most  bytes of a text that are kept
void append_attribute(std::string& out, std::uint32_t number, std::string_view name, std::string_view value,
                      std::size_t most = kMaxAttributeBytes);
void append_attribute(std::string& out, std::uint32_t number, std::string_view name, std::int64_t value);
void append_attribute(std::string& out, std::uint32_t number, std::string_view name, double value);

}  // namespace trilby::observe
