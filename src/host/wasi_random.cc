#include "host/wasi_random.h"

#include <algorithm>
#include <cerrno>
#include <span>

#include <sys/random.h>

#include "host/host.h"
#include "host/wasi_state.h"
#include "host/wasi_types.h"

namespace trilby::host {
namespace {

constexpr std::size_t kSlice = 64U << 10U;  // some 200 us

/// Fills one slice; a guest that wants more goes through its loop in between. \return whether all is done
bool fill_slice(wasm::Guest& guest) {
  std::span<std::byte>& rest = guest.host<Host>().random->rest;
  auto slice = rest.first(std::min(rest.size(), kSlice));
  rest = rest.subspan(slice.size());
  while (!slice.empty()) {
    const ssize_t got = getrandom(slice.data(), slice.size(), 0);
    if (got < 0 && errno != EINTR) {
      guest.complete(kIo);
      return true;
    }
    slice = slice.subspan(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  }
  if (!rest.empty()) {
    return false;
  }
  guest.complete(kSuccess);
  return true;
}

}  // namespace

void random_get(wasm::Guest& guest, std::uint32_t at, std::uint32_t length) {
  const auto span = guest.memory().slice(at, length);
  if (!span) {
    return guest.complete(kFault);
  }
  auto& random = guest.host<Host>().random;
  if (!random) {
    random = std::make_unique<Random>();
  }
  random->rest = *span;
  if (!fill_slice(guest)) {
    guest.work(fill_slice);
  }
}

}  // namespace trilby::host
