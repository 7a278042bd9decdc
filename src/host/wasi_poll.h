/// \file  poll_oneoff. Internal to host/.
#pragma once

#include <cstdint>

#include "wasm/guest.h"

namespace trilby::host {

/// Waits for clocks on the loop's timers; where the clock is fixed, time passes at once. Descriptors 0 to 2 are always
/// ready.
void poll_oneoff(wasm::Guest& guest, std::uint32_t subscriptions_at, std::uint32_t events_at, std::uint32_t count,
                 std::uint32_t count_at);

}  // namespace trilby::host
