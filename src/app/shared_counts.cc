#include "app/shared_counts.h"

#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace trilby::app {
namespace {

constexpr std::size_t kSize = sizeof(observe::SupervisorMetrics);

}  // namespace

void UnmapCounts::operator()(const observe::SupervisorMetrics* counts) const {
  munmap(const_cast<observe::SupervisorMetrics*>(counts), kSize);
}

Result<SharedCounts> make_shared_counts() {
  net::Socket file(memfd_create("trilby-counts", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  void* const memory = file && ftruncate(file.get(), kSize) == 0
                           ? mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0)
                           : MAP_FAILED;
  if (memory == MAP_FAILED || fcntl(file.get(), F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) != 0) {
    return fail(Reason::Internal, "no memory for what is counted: {}", std::strerror(errno));
  }
  SharedCounts made{WrittenCounts(new (memory) observe::SupervisorMetrics()), std::move(file)};
  // An older kernel has no such seal. A worker could then falsify what is counted, and nothing else.
  (void)fcntl(made.file.get(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
  return made;
}

Result<ReadCounts> read_counts(int descriptor) {
  struct stat status{};
  // What shrinks would be a SIGBUS at the next look.
  const int seals = fcntl(descriptor, F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || fstat(descriptor, &status) != 0 ||
      status.st_size != static_cast<off_t>(kSize)) {
    return fail(Reason::Internal, "descriptor {} is not what the supervisor counts in", descriptor);
  }
  void* const memory = mmap(nullptr, kSize, PROT_READ, MAP_SHARED, descriptor, 0);
  if (memory == MAP_FAILED) {
    return fail(Reason::Internal, "what the supervisor counts cannot be read: {}", std::strerror(errno));
  }
  return ReadCounts(std::launder(static_cast<const observe::SupervisorMetrics*>(memory)));
}

}  // namespace trilby::app
