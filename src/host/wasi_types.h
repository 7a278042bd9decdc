/// \file  Numbers and layouts of WASI preview 1 (wasi_snapshot_preview1.witx). Internal to host/.
#pragma once

#include <cstdint>

namespace trilby::host {

/// The i32 that most functions return.
enum Errno : std::uint32_t {
  kSuccess = 0,
  kBadf = 8,
  kFault = 21,
  kInval = 28,
  kIo = 29,
  kNotsup = 58,
  kSpipe = 70,
  kNotcapable = 76,
};

enum ClockId : std::uint32_t { kRealtime = 0, kMonotonic = 1, kProcessCpu = 2, kThreadCpu = 3 };

inline constexpr std::uint8_t kFiletypeUnknown = 0;  // no terminal, so that C libraries buffer whole blocks
inline constexpr std::uint64_t kRightRead = 1U << 1U;
inline constexpr std::uint64_t kRightWrite = 1U << 6U;
inline constexpr std::uint64_t kRightStat = 1U << 21U;
inline constexpr std::uint64_t kRightPoll = 1U << 27U;

struct Iovec {
  std::uint32_t at;
  std::uint32_t length;
};
static_assert(sizeof(Iovec) == 8);

struct Fdstat {
  std::uint8_t filetype;
  std::uint8_t padding = 0;
  std::uint16_t flags;
  std::uint32_t padding_2 = 0;
  std::uint64_t rights_base;
  std::uint64_t rights_inheriting;
};
static_assert(sizeof(Fdstat) == 24);

struct Filestat {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t filetype = kFiletypeUnknown;  // one byte and padding
  std::uint64_t links = 1;
  std::uint64_t size = 0;
  std::uint64_t accessed = 0;
  std::uint64_t modified = 0;
  std::uint64_t changed = 0;
};
static_assert(sizeof(Filestat) == 64);

enum EventType : std::uint8_t { kClock = 0, kFdRead = 1, kFdWrite = 2 };

struct Subscription {
  std::uint64_t userdata;
  std::uint64_t tag;  // one byte and padding
  std::uint32_t id;   // of the clock, or the descriptor
  std::uint32_t padding;
  std::uint64_t timeout;  // ns
  std::uint64_t precision;
  std::uint64_t clock_flags;  // two bytes and padding; bit 0: the timeout is a moment
};
static_assert(sizeof(Subscription) == 48);

struct Event {
  std::uint64_t userdata = 0;
  std::uint16_t error = 0;
  std::uint8_t type = 0;
  std::uint8_t padding[5] = {};
  std::uint64_t bytes = 0;
  std::uint64_t flags = 0;  // two bytes and padding
};
static_assert(sizeof(Event) == 32);

}  // namespace trilby::host
