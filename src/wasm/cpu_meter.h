/// \file  How much processor time a guest used.
#pragma once

#include "base/units.h"

namespace trilby::wasm {

/// Measures slices of work on one thread. A slice under a tick is its monotonic time (24 ns to read); a longer one is
/// the thread's own time (420 ns), so that a busy machine does not bill one guest for another. Reading the thread's
/// clock at every slice's start would cost a tenth of a small call, so a reading of up to a tick ago serves: by so much
/// at most a long slice is billed too much. Threading: bound to one thread; slices may nest.
class CpuMeter {
 public:
  /// A slice begins at `now`, which also stands for it below.
  void begin(Clock::time_point now);
  /// Time used until `now` in the slice that began at `started`.
  [[nodiscard]] Duration used(Clock::time_point started, Clock::time_point now) const;

 private:
  Clock::time_point reference_{};
  Duration reference_cpu_{};
};

}  // namespace trilby::wasm
