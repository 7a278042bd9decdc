/// \file  random_get. Internal to host/.
#pragma once

#include <cstdint>

#include "wasm/guest.h"

namespace trilby::host {

void random_get(wasm::Guest& guest, std::uint32_t at, std::uint32_t length);

}  // namespace trilby::host
