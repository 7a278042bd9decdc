/// \file  A connection on its way from the acceptor to who serves it.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

#include "net/socket.h"

namespace trilby::net {

/// One connection in the count of its loop, from when it is dealt until this is destroyed. Movable. Threading: any.
class Place {
 public:
  using Count = std::atomic<std::size_t>;

  Place() = default;  ///< counted nowhere
  explicit Place(std::shared_ptr<Count> count) : count_(std::move(count)) { count_->fetch_add(1); }
  Place(Place&& other) noexcept = default;
  Place& operator=(Place&& other) noexcept {
    if (this != &other) {
      leave();
      count_ = std::move(other.count_);
    }
    return *this;
  }
  ~Place() { leave(); }

 private:
  void leave() {
    if (const auto count = std::move(count_)) {
      count->fetch_sub(1);
    }
  }
  std::shared_ptr<Count> count_;
};

/// A connection on its way to its loop.
struct Accepted {
  Socket socket;  ///< non-blocking and close-on-exec
  Place place;    ///< to be kept while the connection is open
};

}  // namespace trilby::net
