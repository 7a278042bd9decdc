/// \file  What asynchronous host functions keep while they run. Internal to host/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "host/wasi_types.h"
#include "net/loop.h"
#include "wasm/guest_memory.h"

namespace trilby::host {

struct Random {
  std::span<std::byte> rest;  // of guest memory, still to be filled
  std::uint64_t state = 0;    // of the generator, where chance is reproducible
};

struct Poll {
  explicit Poll(net::Loop& loop) : timer(loop) {}
  std::vector<Subscription> subscriptions;
  std::uint32_t events_at = 0;
  std::uint32_t count_at = 0;
  net::Timer timer;
};

}  // namespace trilby::host
