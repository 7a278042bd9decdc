#include "wasm/cpu_features.h"

#include <fmt/format.h>

#if defined(__x86_64__)
#include <cpuid.h>
#else
#include <sys/auxv.h>
#endif

namespace trilby::wasm {

#if defined(__x86_64__)

std::string cpu_features() {
  // Only words without counts and core numbers: leaf 1 ebx would differ from core to core.
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  std::string words = "x86-64";
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0) {
    words += fmt::format(" {:08x} {:08x}", ecx, edx);
  }
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0) {
    words += fmt::format(" {:08x} {:08x} {:08x}", ebx, ecx, edx);
  }
  if (__get_cpuid(0x80000001U, &eax, &ebx, &ecx, &edx) != 0) {
    words += fmt::format(" {:08x} {:08x}", ecx, edx);
  }
  return words;
}

#else

std::string cpu_features() {
  return fmt::format("hwcap {:016x} {:016x}", getauxval(AT_HWCAP), getauxval(AT_HWCAP2));
}

#endif

}  // namespace trilby::wasm
