#include "observe/process.h"

#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include <dirent.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

namespace trilby::observe {
namespace {

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

/// The second number of /proc/self/statm (proc(5)).
std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  file >> total >> resident;
  return file ? resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

std::uint64_t open_fds() {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc/self/fd"), &::closedir);
  std::uint64_t entries = 0;
  while (folder && ::readdir(folder.get()) != nullptr) {
    ++entries;
  }
  constexpr std::uint64_t kNotOurs = 3;  // ".", ".." and the folder itself
  return entries > kNotOurs ? entries - kNotOurs : 0;
}

/// When the machine started (btime of /proc/stat) plus when the process did (field 22 of /proc/self/stat).
double start_time_seconds() {
  std::ifstream own("/proc/self/stat");
  std::string line;
  std::getline(own, line);
  const std::size_t name_end = line.rfind(')');  // the name before it may contain anything
  if (name_end == std::string::npos) {
    return 0;
  }
  std::istringstream rest(line.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) {
    rest >> skipped;
  }
  double ticks = 0;
  rest >> ticks;
  std::ifstream machine("/proc/stat");
  for (std::string word; machine >> word;) {
    if (double boot = 0; word == "btime" && machine >> boot) {
      return boot + ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
    }
  }
  return 0;
}

}  // namespace

ProcessFacts process_facts() {
  static const double start = start_time_seconds();
  ProcessFacts facts;
  facts.resident_bytes = resident_bytes();
  facts.open_fds = open_fds();
  facts.start_time_seconds = start;
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0) {
    facts.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    facts.max_fds = limit.rlim_cur;
  }
  return facts;
}

}  // namespace trilby::observe
