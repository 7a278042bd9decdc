/// \file  What the supervisor counts. It has no page of metrics; its workers read this in memory that they share.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

#include "observe/metric.h"

namespace trilby::observe {

/// Threading: written by one thread of the supervisor; read by any thread of any process that sees the memory.
struct SupervisorMetrics {
  struct Attempts {
    Counter done;
    Counter failed;
    void count(bool well) { (well ? done : failed).add(); }
  };
  Attempts reloads;   ///< of the manifest, and all that it names
  Attempts renewals;  ///< of certificates alone
  Counter crashes;    ///< of workers while they served
};
// So that nothing in the memory is of one process only, and nobody need destroy it.
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::is_trivially_destructible_v<SupervisorMetrics> &&
              std::is_standard_layout_v<SupervisorMetrics>);

}  // namespace trilby::observe
