/// \file  One event loop per core. The only door between loops is post().
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>

#include "base/units.h"

namespace boost::asio {
class io_context;
}

namespace trilby::net {

/// An event loop: sockets, timers and posted work of one thread.
/// Threading: run() on one thread; post() and stop() from any; everything else on the loop's thread, or on the one that
/// made the loop while it does not run. Ownership: outlives its timers and streams.
class Loop {
 public:
  /// Takes three descriptors; throws std::exception when the system has none.
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Runs until stop(). Work that waits when it stops is dropped unrun when the loop is destroyed. An exception that
  /// leaves a callback leaves run(): there are none but std::bad_alloc, which ends the worker.
  void run();
  /// Also before run(), which then returns at once.
  void stop();
  /// Runs `work` on the loop's thread, later, in order.
  void post(std::function<void()> work);
  /// Runs `work` later too, but behind everything else: one piece of it at a time, in order, and between two of them
  /// whatever was posted and whichever socket or timer was ready by then. So a piece of ordinary work waits for one
  /// piece of this, however many there are. On the loop's thread only.
  void post_background(std::function<void()> work);
  [[nodiscard]] bool in_loop_thread() const;

  /// Who has the loop's thread for a while, for whoever wonders why it does not turn; null: nobody. Set on the loop's
  /// thread, asked for on any. The text outlives the loop; `piece` tells this piece of work from others of theirs, and
  /// is compared only.
  void set_occupant(const std::string* who, const void* piece = nullptr);
  [[nodiscard]] const std::string* occupant() const;
  [[nodiscard]] const void* occupants_piece() const;
  [[nodiscard]] boost::asio::io_context& context();  ///< for net/ only

 private:
  friend class Deferred;
  friend class Timer;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Does a piece of work once, later in this turn of the loop: behind all that is ready, in the order of start(), before
/// the next background work. Whatever each of many requests needs is put off like this, so that it is done for all of
/// them in a row while its code is in the processor's caches (docs/decisions/0012). Cancelled when destroyed. No
/// allocation at start(), for work that captures a pointer or two. Threading: loop-bound.
class Deferred {
 public:
  explicit Deferred(Loop& loop);
  ~Deferred();
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;

  /// Takes the place of what was started and has not run. `work` may destroy this, and start it again.
  void start(std::function<void()> work);
  void cancel();
  [[nodiscard]] bool started() const { return parked_.empty(); }

 private:
  friend class Loop;
  Loop& loop_;
  std::function<void()> work_;
  std::list<Deferred*> parked_;  // the node that stands for this, while it is not in the loop's list
  std::list<Deferred*>::iterator place_;
};

/// Calls back once, at or soon after a moment, unless cancelled or destroyed first. Cheap to start and cancel (no
/// system call in the common case), so each request may have its own. Threading: loop-bound.
class Timer {
 public:
  explicit Timer(Loop& loop);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  /// Restarts when running. `on_time` may destroy the timer.
  void start(Clock::time_point at, std::function<void()> on_time);
  void start(Duration after, std::function<void()> on_time);
  void cancel();
  [[nodiscard]] bool running() const;

 private:
  struct Entry;
  Loop& loop_;
  std::unique_ptr<Entry> entry_;
};

}  // namespace trilby::net
