#include "invoke/admission.h"

namespace trilby::invoke {

/// What the waiter's loop and whoever gives up a slot both know.
struct Admission::Waiter::Shared {
  net::Loop& loop;
  OnSlot on_slot;                                        // loop-bound; empty: nobody waits any more
  std::list<std::shared_ptr<Shared>>::iterator place{};  // guarded by the admission's mutex, as is what follows
  bool queued = true;
};

/// A slot on its way. It comes back whatever becomes of the message and the waiter.
struct Admission::Delivery {
  std::shared_ptr<Admission> admission;  // destroyed after the slot
  Slot slot;
};

Admission::Slot& Admission::Slot::operator=(Slot&& other) noexcept {
  if (this != &other) {
    release();
    admission_ = std::exchange(other.admission_, nullptr);
  }
  return *this;
}

void Admission::Slot::release() {
  if (Admission* admission = std::exchange(admission_, nullptr)) {
    admission->release();
  }
}

Admission::Slot Admission::try_enter() {
  std::uint64_t counts = counts_.load();
  do {
    if (waiting_of(counts) > 0 || running_of(counts) >= limits_.concurrency) {
      return {};
    }
  } while (!counts_.compare_exchange_weak(counts, counts + 1));
  return Slot(this);
}

Result<std::unique_ptr<Admission::Waiter>> Admission::wait(net::Loop& loop, OnSlot on_slot) {
  std::unique_ptr<Waiter> waiter(new Waiter(*this, loop, std::move(on_slot)));
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= limits_.queue) {
      waiter->shared_->queued = false;
      return fail(Reason::Overloaded, "{} calls run and {} wait already", running(), queue_.size());
    }
    waiter->shared_->place = queue_.insert(queue_.end(), waiter->shared_);
    // From here on slots are given up and taken under the mutex only.
    if (running_of(counts_.fetch_add(kOneWaits)) < limits_.concurrency) {  // one was given up since the caller tried
      counts_.fetch_add(1);
      hand_over(queue_.front());
    }
  }
  waiter->longest_wait_.start(limits_.queue_wait, [this, shared = waiter->shared_] {
    {
      const std::lock_guard lock(mutex_);
      if (!shared->queued) {
        return;  // a slot is on its way
      }
      leave_queue(*shared);
    }
    std::exchange(shared->on_slot, nullptr)(fail(Reason::Overloaded, "no slot within {}", format(limits_.queue_wait)));
  });
  return waiter;
}

/// Under the mutex.
void Admission::leave_queue(Waiter::Shared& waiter) {
  queue_.erase(waiter.place);
  waiter.queued = false;
  counts_.fetch_sub(kOneWaits);
}

/// Takes `waiter` from the queue and sends it the slot that is counted for it already. Under the mutex.
void Admission::hand_over(const std::shared_ptr<Waiter::Shared>& waiter) {
  // NOLINTNEXTLINE(performance-unnecessary-copy-initialization): `waiter` may be the queue's own
  const auto shared = waiter;
  leave_queue(*shared);
  shared->loop.post([shared, delivery = std::make_shared<Delivery>(Delivery{shared_from_this(), Slot(this)})] {
    if (shared->on_slot) {
      std::exchange(shared->on_slot, nullptr)(std::move(delivery->slot));
    }
  });
}

void Admission::release() {
  std::uint64_t counts = counts_.load();
  while (waiting_of(counts) == 0) {
    if (counts_.compare_exchange_weak(counts, counts - 1)) {
      return;
    }
  }
  const std::lock_guard lock(mutex_);
  if (queue_.empty()) {
    counts_.fetch_sub(1);
  } else {
    hand_over(queue_.front());
  }
}

Admission::Waiter::Waiter(Admission& admission, net::Loop& loop, OnSlot on_slot)
    : admission_(admission), shared_(std::make_shared<Shared>(Shared{loop, std::move(on_slot)})), longest_wait_(loop) {}

Admission::Waiter::~Waiter() {
  const std::lock_guard lock(admission_.mutex_);
  if (shared_->queued) {
    admission_.leave_queue(*shared_);
  }
  shared_->on_slot = nullptr;
}

}  // namespace trilby::invoke
