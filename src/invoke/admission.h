/// \file  How many calls run at once, and who waits.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <utility>

#include "base/result.h"
#include "base/units.h"
#include "net/loop.h"

namespace trilby::invoke {

/// Slots of one function, of one app or of the engine's pool, over all loops, and a first-in, first-out queue for them.
/// Cost: while nobody waits, taking a slot and giving it up are one atomic operation each.
/// Threading: any. Ownership: shared, since a slot on its way to a waiter keeps it; otherwise it outlives its slots and
/// waiters.
class Admission : public std::enable_shared_from_this<Admission> {
 public:
  struct Limits {
    std::uint32_t concurrency = 1;
    std::uint32_t queue = 0;  ///< calls that may wait
    Duration queue_wait{};    ///< longest wait
  };
  explicit Admission(Limits limits) : limits_(limits) {}
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  /// The right to run one call. Giving it up hands it to the first who waits. May be given up on any thread.
  class Slot {
   public:
    Slot() = default;
    Slot(Slot&& other) noexcept : admission_(std::exchange(other.admission_, nullptr)) {}
    Slot& operator=(Slot&& other) noexcept;
    ~Slot() { release(); }
    void release();
    explicit operator bool() const { return admission_ != nullptr; }

   private:
    friend class Admission;
    explicit Slot(Admission* admission) : admission_(admission) {}
    Admission* admission_ = nullptr;
  };

  using OnSlot = std::function<void(Result<Slot>)>;

  /// A place in the queue. Destroying it leaves the queue, and nothing is called after that. Loop-bound.
  class Waiter {
   public:
    ~Waiter();
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

   private:
    friend class Admission;
    struct Shared;
    Waiter(Admission& admission, net::Loop& loop, OnSlot on_slot);
    Admission& admission_;
    const std::shared_ptr<Shared> shared_;
    net::Timer longest_wait_;
  };

  /// \return a slot when one is free and nobody waits, else an empty one
  [[nodiscard]] Slot try_enter();
  /// Waits for a slot. `on_slot` runs once, later, on `loop`: with a slot, or with Reason::Overloaded after the longest
  /// wait. The loop outlives the waiter. \return Reason::Overloaded when the queue is full
  [[nodiscard]] Result<std::unique_ptr<Waiter>> wait(net::Loop& loop, OnSlot on_slot);

  [[nodiscard]] std::uint32_t running() const { return running_of(counts_.load()); }
  [[nodiscard]] std::uint32_t waiting() const { return waiting_of(counts_.load()); }

 private:
  struct Delivery;
  void release();
  void hand_over(const std::shared_ptr<Waiter::Shared>& waiter);
  void leave_queue(Waiter::Shared& waiter);

  // Of counts_: calls that run in the lower half, calls that wait in the upper one. In one word, so that who takes or
  // gives up a slot knows whether anybody waits. The upper half changes under the mutex only.
  static constexpr std::uint64_t kOneWaits = std::uint64_t{1} << 32U;
  static std::uint32_t running_of(std::uint64_t counts) { return static_cast<std::uint32_t>(counts); }
  static std::uint32_t waiting_of(std::uint64_t counts) { return static_cast<std::uint32_t>(counts >> 32U); }

  const Limits limits_;
  std::atomic<std::uint64_t> counts_{0};
  std::mutex mutex_;
  std::list<std::shared_ptr<Waiter::Shared>> queue_;  // guarded by mutex_
};

}  // namespace trilby::invoke
