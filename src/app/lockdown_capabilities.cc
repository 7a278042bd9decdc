#include "app/lockdown_capabilities.h"

#include <array>
#include <cerrno>

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace trilby::app {
namespace {

constexpr unsigned kMostCapabilities = 64;  // two words of 32; the kernel says where its own end

using Sets = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

}  // namespace

int drop_thread_capabilities() {
  for (unsigned capability = 0; capability < kMostCapabilities; ++capability) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) {
      break;  // no more of them, or no right to
    }
  }
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);  // before Linux 4.3 there are none
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const Sets none{};
  return syscall(SYS_capset, &header, none.data()) == 0 ? 0 : errno;
}

bool holds_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  Sets sets{};
  if (syscall(SYS_capget, &header, sets.data()) != 0) {
    return false;
  }
  bool any = false;
  for (const auto& word : sets) {
    any = any || word.permitted != 0 || word.effective != 0;
  }
  return any;
}

}  // namespace trilby::app
