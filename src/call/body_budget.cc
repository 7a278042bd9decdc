#include "call/body_budget.h"

namespace trilby {

bool BodyBudget::take(std::uint64_t bytes) {
  std::uint64_t now = in_use_.load(std::memory_order_relaxed);
  do {
    if (bytes > limit_.count - now) {
      return false;
    }
  } while (!in_use_.compare_exchange_weak(now, now + bytes, std::memory_order_relaxed));
  return true;
}

BodyBudget::Share& BodyBudget::Share::operator=(Share&& other) noexcept {
  if (this != &other) {
    release();
    budget_ = std::exchange(other.budget_, nullptr);
    taken_ = std::exchange(other.taken_, 0);
  }
  return *this;
}

bool BodyBudget::Share::resize(std::size_t bytes) {
  if (budget_ == nullptr) {
    return true;
  }
  const std::size_t wanted = bytes > kFree ? bytes : 0;
  if (wanted > taken_ && !budget_->take(wanted - taken_)) {
    return false;
  }
  if (wanted < taken_) {
    budget_->in_use_.fetch_sub(taken_ - wanted, std::memory_order_relaxed);
  }
  taken_ = wanted;
  return true;
}

bool BodyBudget::Share::has_room(std::uint64_t bytes) const {
  return budget_ == nullptr || bytes <= kFree || bytes <= budget_->limit_.count - budget_->in_use().count;
}

void BodyBudget::Share::release() {
  (void)resize(0);  // giving back always has room
}

}  // namespace trilby
