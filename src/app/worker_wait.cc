#include "app/worker_wait.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "app/worker.h"

namespace trilby::app {

Result<void> WorkerWait::open(int orders) {
  orders_ = orders;
  for (net::Socket* event : {&drained_event_, &settled_event_}) {
    *event = net::Socket(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!*event) {
      return fail(Reason::Internal, "starting the worker: {}", std::strerror(errno));
    }
  }
  return {};
}

void WorkerWait::end_one() {
  if (missing_ends_.fetch_sub(1) == 1) {
    ::eventfd_write(drained_event_.get(), 1);
  }
}

void WorkerWait::settle() {
  ::eventfd_write(settled_event_.get(), 1);
}

Wake WorkerWait::wait(std::optional<Clock::time_point> until) {
  for (;;) {
    std::array<pollfd, 3> polled{
        {{orders_, POLLIN, 0}, {settled_ ? -1 : settled_event_.get(), POLLIN, 0}, {drained_event_.get(), POLLIN, 0}}};
    int timeout = -1;
    if (until) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*until - Clock::now()).count();
      timeout = static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
    }
    const int ready = ::poll(polled.data(), polled.size(), timeout);
    if (ready > 0 && polled[0].revents != 0) {
      char order = 0;
      if (::read(orders_, &order, 1) <= 0) {
        orders_ = -1;  // nobody is left to give another
        return Wake::Stop;
      }
      if (order == static_cast<char>(Order::Arrange)) {
        on_arrange_();
        continue;
      }
      return order == static_cast<char>(Order::Serve)    ? Wake::Serve
             : order == static_cast<char>(Order::Retire) ? Wake::Retire
                                                         : Wake::Stop;
    }
    if (ready > 0 && polled[1].revents != 0) {
      settled_ = true;
      on_settled_();
      continue;
    }
    if (ready > 0) {
      return Wake::Drained;
    }
    if (until && Clock::now() >= *until) {
      return Wake::Timeout;
    }
  }
}

}  // namespace trilby::app
