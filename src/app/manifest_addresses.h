/// \file  The addresses that a manifest names: how they are written, and where two of them are the same.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/manifest.h"
#include "base/result.h"

namespace trilby::app {

/// Reads "8080", in digits alone. \return nothing when it is no number from `least` to 65535
[[nodiscard]] std::optional<std::uint16_t> parse_port(std::string_view text, std::uint16_t least);
/// Reads "127.0.0.1:8080" or "[::1]:8080"; names of hosts are refused.
/// \return Reason::Manifest with a message that says what would be right
[[nodiscard]] Result<Address> parse_address(std::string_view text);

struct AddressClash {
  std::uint32_t line = 0;  ///< 0 when the field is not from the manifest
  std::string field;
  std::string message;
};

/// Fields that ask for an address that another field has already. Port 0 never clashes.
[[nodiscard]] std::vector<AddressClash> address_clashes(const Manifest& manifest);

}  // namespace trilby::app
