/// \file  poll_oneoff, and the clocks it shares with clock_time_get. Internal to host/.
#pragma once

#include <cstdint>

#include "host/wasi_types.h"
#include "wasm/guest.h"

namespace trilby::host {

/// Nanoseconds of a guest's clock. `id` is kRealtime or kMonotonic.
[[nodiscard]] std::uint64_t wasi_now(ClockId id);

/// Waits for clocks on the loop's timers. Descriptors 0 to 2 are always ready.
void poll_oneoff(wasm::Guest& guest, std::uint32_t subscriptions_at, std::uint32_t events_at, std::uint32_t count,
                 std::uint32_t count_at);

}  // namespace trilby::host
