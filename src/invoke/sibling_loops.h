/// \file  The loops that serve, among which calls that compute are shared out. A connection stays with the loop that
/// has accepted it, and some callers have but one: a sidecar that speaks HTTP/2 or gRPC brings all calls of its app
/// over it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

#include "call/call.h"
#include "invoke/admitted_call.h"
#include "net/loop.h"

namespace trilby::invoke {

/// Counts, for each loop, the live calls of modules that compute (wasm::CallHistory), and sends such a call to the loop
/// with the fewest where that has fewer than the one it came to. It stays there to its end. Short calls stay where they
/// arrive, for the way would cost more than they do. Threading: add() before there are calls; the rest on any of the
/// loops. Ownership: outlives the loops, none of which is destroyed before all of them have stopped.
class SiblingLoops {
 public:
  SiblingLoops() = default;
  SiblingLoops(const SiblingLoops&) = delete;
  SiblingLoops& operator=(const SiblingLoops&) = delete;

  /// \param invoker  runs on `loop` what others send there; destroyed when no loop runs any more, or by its own
  /// \return its index, in the order of these calls
  std::size_t add(net::Loop& loop, AdmittedInvoker& invoker);
  /// For a call that computes and has come to `home`: where it is to run. That is `home` unless another has fewer.
  [[nodiscard]] std::size_t choose(std::size_t home) const;
  /// A call that computes on this loop, from here on.
  [[nodiscard]] Load load(std::size_t loop) { return Load(places_[loop].calls); }
  /// Calls that compute there.
  [[nodiscard]] std::uint32_t calls(std::size_t loop) const { return places_[loop].calls.load(); }
  /// Starts `call` on the loop with that index, later. `done` runs at most once, later, on `home`, where this was
  /// called; it does not run when either loop stops before.
  [[nodiscard]] std::unique_ptr<Away> hand_over(std::size_t to, AdmittedCall call, net::Loop& home, OnOutcome done);

 private:
  struct Place {
    Place(net::Loop& its_loop, AdmittedInvoker& its_invoker) : loop(its_loop), invoker(its_invoker) {}
    net::Loop& loop;
    AdmittedInvoker& invoker;
    std::atomic<std::uint32_t> calls{0};
  };
  class There;

  std::deque<Place> places_;
};

}  // namespace trilby::invoke
