#include "host/wasi_random.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

#include <sys/random.h>

#include "host/host.h"
#include "host/wasi_state.h"
#include "host/wasi_types.h"

namespace trilby::host {
namespace {

constexpr std::size_t kSlice = 64U << 10U;  // some 200 us

/// SplitMix64 (Steele, Lea, Flood 2014). No secret may rest on it: it is the same for every call.
std::uint64_t next(std::uint64_t& state) {
  std::uint64_t z = state += 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EB;
  return z ^ (z >> 31U);
}

void fill_reproducibly(std::span<std::byte> slice, std::uint64_t& state) {
  while (!slice.empty()) {
    const std::uint64_t word = next(state);
    const std::size_t length = std::min(slice.size(), sizeof word);
    std::memcpy(slice.data(), &word, length);
    slice = slice.subspan(length);
  }
}

/// Fills one slice; a guest that wants more goes through its loop in between. \return whether all is done
bool fill_slice(wasm::Guest& guest) {
  std::span<std::byte>& rest = guest.host<Host>().random->rest;
  auto slice = rest.first(std::min(rest.size(), kSlice));
  rest = rest.subspan(slice.size());
  if (guest.host<Host>().grants.reproducible) {
    fill_reproducibly(slice, guest.host<Host>().random->state);
    slice = {};
  }
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
