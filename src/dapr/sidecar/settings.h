/// \file  Where a sidecar is, and what it wants to see.
#pragma once

#include <string>

#include "base/units.h"
#include "net/address.h"

namespace trilby::dapr::sidecar {

/// Immutable; shared by all loops. The token is in no message, and no guest is given it.
struct Settings {
  net::Address address;  ///< of its HTTP API
  std::string token;     ///< DAPR_API_TOKEN; empty: none is sent
  Duration timeout;      ///< for one request, to the last byte of its answer
  Bytes max_body;        ///< of one request, as it is sent
};

}  // namespace trilby::dapr::sidecar
