#include "observe/ids.h"

#include <algorithm>
#include <bit>
#include <chrono>

#include <sys/random.h>

namespace trilby::observe {
namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-";
constexpr std::size_t kShortest = 16;
constexpr std::size_t kLongest = 64;

}  // namespace

bool is_request_id(std::string_view text) {
  return text.size() >= kShortest && text.size() <= kLongest &&
         text.find_first_not_of(kAlphabet) == std::string_view::npos;
}

IdSource::IdSource() {
  if (::getrandom(state_.data(), sizeof state_, 0) != static_cast<ssize_t>(sizeof state_)) {
    // Only a kernel without the call gets here; ids stay unique enough to read logs by.
    state_ = {1, static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()), 3, 4};
  }
}

std::uint64_t IdSource::next() {  // Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t shifted = state_[1] << 17U;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

std::string IdSource::request_id() {
  std::string id(20, '\0');
  for (std::size_t half = 0; half < 2; ++half) {
    std::uint64_t bits = next();
    for (std::size_t i = 0; i < 10; ++i, bits >>= 6U) {
      id[half * 10 + i] = kAlphabet[bits & 63U];
    }
  }
  return id;
}

}  // namespace trilby::observe
