#include "policy/environment.h"

#include <algorithm>
#include <utility>

#include <string.h>  // NOLINT(modernize-deprecated-headers): explicit_bzero is glibc's

namespace trilby::policy {

bool is_variable_name(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && name.size() <= kMaxVariableName && letter(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

void wipe(void* data, std::size_t size) noexcept {
  if (size > 0) {
    explicit_bzero(data, size);
  }
}

Environment& Environment::operator=(const Environment& other) {
  if (this != &other) {
    *this = Environment(other);
  }
  return *this;
}

Environment::Environment(Environment&& other) noexcept
    : block_(std::exchange(other.block_, {})), count_(std::exchange(other.count_, 0)) {}

Environment& Environment::operator=(Environment&& other) noexcept {
  if (this != &other) {
    wipe();
    block_ = std::exchange(other.block_, {});
    count_ = std::exchange(other.count_, 0);
  }
  return *this;
}

Result<void> Environment::add(std::string_view name, std::string_view value) {
  const std::size_t more = name.size() + value.size() + 2;
  if (count_ >= kMaxVariables || more > kMaxEnvironment - block_.size()) {
    return fail(Reason::HeadTooLarge, "a guest may be given {} variables of {} KiB together", kMaxVariables,
                kMaxEnvironment >> 10U);
  }
  if (value.find('\0') != std::string_view::npos) {
    return fail(Reason::BadRequest, "the value of {} has a null character", name);
  }
  make_room(more);
  block_.insert(block_.end(), name.begin(), name.end());
  block_.push_back('=');
  block_.insert(block_.end(), value.begin(), value.end());
  block_.push_back('\0');
  ++count_;
  return {};
}

void Environment::wipe() noexcept {
  policy::wipe(block_.data(), block_.size());
}

/// The vector would leave its old contents behind when it grows.
void Environment::make_room(std::size_t more) {
  if (block_.capacity() - block_.size() >= more) {
    return;
  }
  std::vector<char> larger;
  larger.reserve(std::max<std::size_t>(1024, 2 * (block_.size() + more)));
  larger.assign(block_.begin(), block_.end());
  wipe();
  block_ = std::move(larger);
}

}  // namespace trilby::policy
