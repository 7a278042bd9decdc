// Settings of AddressSanitizer for a program that locks itself down. In builds with that sanitizer only.

extern "C" const char* __asan_default_options();  // NOLINT(bugprone-reserved-identifier): the sanitizer's name for it

extern "C" const char* __asan_default_options() {
  // Whoever serves may start no program and no process, so nobody turns a report's addresses into lines (addr2line does
  // it afterwards) and nobody looks for leaks at the end: the unit tests do. A test may put a clock of its own in front
  // of the sanitizer.
  return "symbolize=0:detect_leaks=0:verify_asan_link_order=0";
}
