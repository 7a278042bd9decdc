#include "observe/call_ring.h"

#include <utility>

namespace trilby::observe {

void CallRing::add(EndedCall&& call) {
  if (calls_.size() < capacity_) {
    calls_.push_back(std::move(call));
    return;
  }
  calls_[next_] = std::move(call);
  next_ = (next_ + 1) % capacity_;
}

std::vector<EndedCall> CallRing::newest(std::size_t most, const Wanted& wanted) const {
  std::vector<EndedCall> found;
  for (std::size_t back = 1; back <= calls_.size() && found.size() < most; ++back) {
    const EndedCall& call = calls_[(next_ + calls_.size() - back) % calls_.size()];
    if (wanted(call)) {
      found.push_back(call);
    }
  }
  return found;
}

}  // namespace trilby::observe
