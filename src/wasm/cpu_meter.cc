#include "wasm/cpu_meter.h"

#include <algorithm>
#include <ctime>

#include "wasm/epoch_clock.h"

namespace trilby::wasm {
namespace {

Duration thread_cpu() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

void CpuMeter::begin(Clock::time_point now) {
  if (now - reference_ > kTick) {
    reference_ = now;
    reference_cpu_ = thread_cpu();
  }
}

Duration CpuMeter::used(Clock::time_point started, Clock::time_point now) const {
  const Duration elapsed = now - started;
  return elapsed < kTick ? elapsed : std::min(elapsed, thread_cpu() - reference_cpu_);
}

}  // namespace trilby::wasm
