/// \file  Numbers that one thread writes and any thread reads.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace trilby::observe {

/// Only grows. Threading: one writer, so that adding is a load and a store and never a locked instruction; any readers.
class Counter {
 public:
  void add(std::uint64_t amount = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// Goes up and down. Threading: as Counter.
class Gauge {
 public:
  void add(std::int64_t amount) { set(value() + amount); }
  void set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
  [[nodiscard]] std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

/// Upper bounds of duration buckets, in nanoseconds: 5 us (an echo in a fresh sandbox) to 10 s (the default wall
/// limit).
inline constexpr std::array<std::uint64_t, 20> kDurationBounds = {
    5'000,       10'000,      25'000,        50'000,        100'000,       250'000,       500'000,
    1'000'000,   2'500'000,   5'000'000,     10'000'000,    25'000'000,    50'000'000,    100'000'000,
    250'000'000, 500'000'000, 1'000'000'000, 2'500'000'000, 5'000'000'000, 10'000'000'000};

/// Upper bounds of memory buckets, in bytes: one Wasm page to the largest memory limit.
inline constexpr std::array<std::uint64_t, 8> kMemoryBounds = {1U << 16U, 1U << 18U, 1U << 20U, 1U << 22U,
                                                               1U << 24U, 1U << 26U, 1U << 28U, 1U << 30U};

/// Upper bounds of buckets for bodies, in bytes: from nothing to the default limit of an answer.
inline constexpr std::array<std::uint64_t, 9> kBodyBounds = {0,         1U << 8U,  1U << 10U, 1U << 12U, 1U << 14U,
                                                             1U << 17U, 1U << 20U, 1U << 23U, 1U << 26U};

/// How often values fell below each bound. Threading: as Counter.
template <const auto& kBounds>
class Histogram {
 public:
  void observe(std::uint64_t value) {
    const auto bucket = std::lower_bound(kBounds.begin(), kBounds.end(), value) - kBounds.begin();
    buckets_[static_cast<std::size_t>(bucket)].add();
    sum_.add(value);
  }
  /// Not cumulative; the last bucket has no bound.
  [[nodiscard]] std::uint64_t bucket(std::size_t index) const { return buckets_[index].value(); }
  [[nodiscard]] std::uint64_t sum() const { return sum_.value(); }

 private:
  std::array<Counter, kBounds.size() + 1> buckets_;
  Counter sum_;
};

using DurationHistogram = Histogram<kDurationBounds>;
using MemoryHistogram = Histogram<kMemoryBounds>;
using BodyHistogram = Histogram<kBodyBounds>;

}  // namespace trilby::observe
