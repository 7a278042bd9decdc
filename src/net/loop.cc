#include "net/loop.h"

#include <atomic>
#include <deque>
#include <thread>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "net/timer_queue.h"

namespace trilby::net {

namespace asio = boost::asio;
namespace {

// Deferred work often defers more: an answer leads to the next request of its connection. That is done in the same go,
// up to this many times what waited at first, so that sockets are looked at in between.
constexpr std::size_t kRoundsOfDeferred = 4;

}  // namespace

struct Loop::Impl {
  // Before the context, so gone after it: work that is dropped unrun with the context may own timers and deferred work.
  TimerQueue timers;
  std::list<Deferred*> deferred;  // owned by themselves
  // Sockets and timers belong to the loop's thread, so only post() and stop() need Asio's locks.
  asio::io_context context{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  asio::steady_timer alarm{context};
  Clock::time_point alarm_at = Clock::time_point::max();  // max: not set
  std::atomic<std::thread::id> thread;
  std::atomic<const std::string*> occupant{nullptr};
  std::atomic<const void*> occupants_piece{nullptr};
  bool deferred_asked = false;  // run_deferred() is posted or runs
  std::deque<std::function<void()>> background;

  void ask_for_deferred() {
    asio::post(context, [this] { run_deferred(); });
  }

  void run_deferred() {
    for (std::size_t left = kRoundsOfDeferred * deferred.size(); left > 0 && !deferred.empty() && !context.stopped();
         --left) {
      Deferred& next = *deferred.front();
      const auto task = std::move(next.work_);
      next.cancel();
      task();  // may destroy it
    }
    deferred_asked = !deferred.empty();
    if (deferred_asked) {
      ask_for_deferred();
    }
  }

  /// Asks for the turn of the next piece of background work. Asio runs what is posted in order and looks at its sockets
  /// once for each time it has gone through that; what it finds comes behind what was there. Work that is posted twice
  /// in a row therefore runs behind all that was ready when it was posted.
  void ask_for_background() {
    asio::post(context, [this] { asio::post(context, [this] { run_background(); }); });
  }

  void run_background() {
    const auto piece = std::move(background.front());
    background.pop_front();
    if (!background.empty()) {
      ask_for_background();
    }
    piece();
  }

  /// Sets the alarm when a timer is due before it. An alarm that turns out too early is harmless and costs less than
  /// setting it anew each time.
  void set_alarm() {
    const auto at = timers.wake_at();
    if (at >= alarm_at) {
      return;
    }
    alarm_at = at;
    alarm.expires_at(at);
    alarm.async_wait([this](const boost::system::error_code& error) {
      if (!error) {
        alarm_at = Clock::time_point::max();
        timers.run_due(Clock::now());
        set_alarm();
      }
    });
  }
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {}
Loop::~Loop() = default;

void Loop::run() {
  impl_->thread = std::this_thread::get_id();
  impl_->context.run();
  impl_->thread = std::thread::id();
}

void Loop::stop() {
  impl_->context.stop();
}

void Loop::post(std::function<void()> work) {
  asio::post(impl_->context, std::move(work));
}

void Loop::post_background(std::function<void()> work) {
  impl_->background.push_back(std::move(work));
  if (impl_->background.size() == 1) {
    impl_->ask_for_background();
  }
}

bool Loop::in_loop_thread() const {
  return impl_->thread == std::this_thread::get_id();
}

void Loop::set_occupant(const std::string* who, const void* piece) {
  impl_->occupant.store(who, std::memory_order_release);
  impl_->occupants_piece.store(piece, std::memory_order_release);
}

const std::string* Loop::occupant() const {
  return impl_->occupant.load(std::memory_order_acquire);
}

const void* Loop::occupants_piece() const {
  return impl_->occupants_piece.load(std::memory_order_acquire);
}

asio::io_context& Loop::context() {
  return impl_->context;
}

Deferred::Deferred(Loop& loop) : loop_(loop), parked_{this}, place_(parked_.begin()) {}

Deferred::~Deferred() {
  cancel();
}

void Deferred::start(std::function<void()> work) {
  work_ = std::move(work);
  Loop::Impl& loop = *loop_.impl_;
  if (!started()) {
    loop.deferred.splice(loop.deferred.end(), parked_);
  }
  if (!std::exchange(loop.deferred_asked, true)) {
    loop.ask_for_deferred();
  }
}

void Deferred::cancel() {
  if (started()) {
    parked_.splice(parked_.end(), loop_.impl_->deferred, place_);
  }
  work_ = nullptr;
}

struct Timer::Entry : TimerQueue::Entry {};

Timer::Timer(Loop& loop) : loop_(loop), entry_(std::make_unique<Entry>()) {}

Timer::~Timer() {
  loop_.impl_->timers.erase(*entry_);
}

void Timer::start(Clock::time_point at, std::function<void()> on_time) {
  loop_.impl_->timers.start(*entry_, at, std::move(on_time));
  loop_.impl_->set_alarm();
}

void Timer::start(Duration after, std::function<void()> on_time) {
  const auto now = Clock::now();
  start(after < Clock::time_point::max() - now ? now + after : Clock::time_point::max(), std::move(on_time));
}

void Timer::cancel() {
  TimerQueue::stop(*entry_);
}

bool Timer::running() const {
  return entry_->on_time != nullptr;
}

}  // namespace trilby::net
