/// \file  What the main thread of a worker waits for while its loops turn: orders, and the ends of what drains.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "base/result.h"
#include "base/units.h"
#include "net/socket.h"

namespace trilby::app {

enum class Wake : std::uint8_t { Serve, Retire, Stop, Drained, Timeout };

/// One wait for everything, so that nothing keeps a worker from hearing an order.
/// Threading: settle() and end_one() from any thread, everything else on one. Ownership: outlives who calls those.
class WorkerWait {
 public:
  /// \param orders  see WorkerOptions::orders
  /// \return Reason::Internal when the system gives no descriptors
  [[nodiscard]] Result<void> open(int orders);
  /// What wait() does and goes on.
  void on_arrange(std::function<void()> work) { on_arrange_ = std::move(work); }  ///< at each Order::Arrange
  void on_settled(std::function<void()> work) { on_settled_ = std::move(work); }  ///< once, after settle()

  /// Before any of them ends. \param ends  how often end_one() will be called until everything has drained
  void expect(std::size_t ends) { missing_ends_ = ends; }
  void end_one();
  void settle();
  [[nodiscard]] bool settled() const { return settled_; }  ///< on_settled has run

  /// For an order, until everything has drained, or until time is up. The end of the orders is Stop.
  [[nodiscard]] Wake wait(std::optional<Clock::time_point> until);

 private:
  int orders_ = -1;
  net::Socket drained_event_;
  net::Socket settled_event_;
  bool settled_ = false;
  std::atomic<std::size_t> missing_ends_{0};
  std::function<void()> on_arrange_;
  std::function<void()> on_settled_;
};

}  // namespace trilby::app
