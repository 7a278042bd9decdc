/// \file  The calls that ended last, for whoever asks what just happened.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "base/reason.h"
#include "base/units.h"
#include "call/call.h"

namespace trilby::observe {

/// How a call of a function ended.
struct EndedCall {
  Clock::time_point ended;
  std::size_t function = 0;  ///< index in Labels::functions()
  std::string id;            ///< request id
  Reason reason = Reason::Internal;
  int status = 0;
  Record record;
};

/// The last so many calls of one loop. Threading: loop-bound.
/// Cost: a call is moved in; nothing is allocated once the ring is full.
class CallRing {
 public:
  /// \param capacity  calls that are kept, at least one
  explicit CallRing(std::size_t capacity) : capacity_(capacity) {}

  void add(EndedCall&& call);

  using Wanted = std::function<bool(const EndedCall&)>;
  /// The newest calls that are wanted, at most `most`, newest first.
  [[nodiscard]] std::vector<EndedCall> newest(std::size_t most, const Wanted& wanted) const;

 private:
  std::size_t capacity_;
  std::size_t next_ = 0;  // the oldest, once the ring is full
  std::vector<EndedCall> calls_;
};

}  // namespace trilby::observe
