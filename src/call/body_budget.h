/// \file  How much memory whole bodies may take at a time, in one process.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/units.h"

namespace trilby {

/// A sum that buffered bodies share, over all loops, so that many senders, or many readers who do not read, cannot take
/// all memory. Threading: any. Ownership: outlives its shares.
class BodyBudget {
 public:
  explicit BodyBudget(Bytes limit) : limit_(limit) {}
  BodyBudget(const BodyBudget&) = delete;
  BodyBudget& operator=(const BodyBudget&) = delete;

  /// A body of up to this size takes nothing: a connection has a buffer as large, and small calls need no shared
  /// number.
  static constexpr std::size_t kFree = 4096;

  /// What one body takes. Given back, once, when this is destroyed or released, on any thread.
  class Share {
   public:
    Share() = default;  ///< of no budget: everything has room
    explicit Share(BodyBudget* budget) : budget_(budget) {}
    Share(Share&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)), taken_(std::exchange(other.taken_, 0)) {}
    Share& operator=(Share&& other) noexcept;
    ~Share() { release(); }

    /// Takes or gives back until it holds `bytes`. \return false, and nothing changes, when there is no room
    [[nodiscard]] bool resize(std::size_t bytes);
    /// Whether `bytes` would have room now. Takes nothing.
    [[nodiscard]] bool has_room(std::uint64_t bytes) const;
    void release();

   private:
    BodyBudget* budget_ = nullptr;
    std::size_t taken_ = 0;
  };

  [[nodiscard]] Bytes limit() const { return limit_; }
  [[nodiscard]] Bytes in_use() const { return Bytes{in_use_.load(std::memory_order_relaxed)}; }

 private:
  [[nodiscard]] bool take(std::uint64_t bytes);

  const Bytes limit_;
  std::atomic<std::uint64_t> in_use_{0};
};

}  // namespace trilby
