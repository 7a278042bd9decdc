#include "net/acceptor.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <system_error>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/log.h"

namespace trilby::net {
namespace {

// Long enough not to spin, short enough not to be noticed by those who wait in the kernel's queue.
constexpr int kPauseMs = 50;
constexpr std::chrono::seconds kSilence{10};
// Connections taken from one listener before the others get their turn.
constexpr int kBurst = 64;
// At the end: more than the queue of a listener holds (net/socket.cc). Where others accept from the same queue, it may
// fill for ever.
constexpr int kWholeQueue = 8192;

}  // namespace

Acceptor::Acceptor(std::vector<Loop*> loops) : loops_(std::move(loops)) {
  std::generate_n(std::back_inserter(open_), loops_.size(), [] { return std::make_shared<Place::Count>(0); });
}

Acceptor::~Acceptor() {
  stop();
}

void Acceptor::add(Socket listening, OnConnection on_connection) {
  listeners_.push_back({std::move(listening), std::make_shared<const OnConnection>(std::move(on_connection))});
}

Result<void> Acceptor::start() {
  stop_event_ = Socket(eventfd(0, EFD_CLOEXEC));
  if (!stop_event_) {
    return fail(Reason::Internal, "cannot accept connections: {}", std::generic_category().message(errno));
  }
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    return fail(Reason::Internal, "cannot start the thread that accepts connections: {}", error.what());
  }
  return {};
}

void Acceptor::stop(Duration settle) {
  if (thread_.joinable()) {
    settle_ = settle;
    eventfd_write(stop_event_.get(), 1);
    thread_.join();
  }
  listeners_.clear();
}

void Acceptor::run() {
  std::vector<pollfd> polled{{.fd = stop_event_.get(), .events = POLLIN, .revents = 0}};
  for (const Listener& listener : listeners_) {
    polled.push_back({.fd = listener.socket.get(), .events = POLLIN, .revents = 0});
  }
  bool paused = false;
  while (true) {
    // In a pause only the stop event is looked at: the listeners would be ready all the time.
    const int ready = paused ? poll(polled.data(), 1, kPauseMs) : poll(polled.data(), polled.size(), -1);
    if (ready > 0 && polled[0].revents != 0) {
      return accept_waiting();
    }
    const bool was_paused = std::exchange(paused, false);
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
      if (!was_paused && polled[i + 1].revents == 0) {
        continue;
      }
      if (const int error = accept_some(listeners_[i], kBurst); error != 0) {
        paused = true;
        report_pause(error);
      }
    }
  }
}

void Acceptor::report_pause(int error) {
  const auto now = Clock::now();
  if (now >= silent_until_) {
    silent_until_ = now + kSilence;
    log::warn("cannot accept connections for now; new ones wait", {{"error", std::generic_category().message(error)}});
  }
}

/// What is in the queues was told that it is connected, and closing the listeners would reset it.
void Acceptor::accept_waiting() {
  const bool all_near = std::all_of(listeners_.begin(), listeners_.end(),
                                    [](const Listener& listener) { return is_loopback(listener.socket.get()); });
  const Duration settle = all_near ? Duration{} : settle_.load();
  const auto enough = Clock::now() + 4 * settle;
  std::vector<pollfd> polled;
  for (const Listener& listener : listeners_) {
    polled.push_back({.fd = listener.socket.get(), .events = POLLIN, .revents = 0});
  }
  do {
    for (const Listener& listener : listeners_) {
      if (const int error = accept_some(listener, kWholeQueue); error != 0) {
        report_pause(error);
      }
    }
  } while (Clock::now() < enough &&
           poll(polled.data(), polled.size(),
                static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(settle).count())) > 0);
}

int Acceptor::accept_some(const Listener& listener, int most) {
  for (int i = 0; i < most; ++i) {
    Socket connection(accept4(listener.socket.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (connection) {
      deal(listener, std::move(connection));
    } else if (errno == EAGAIN) {
      return 0;
    } else if (errno != EINTR && errno != ECONNABORTED && errno != EPROTO) {
      return errno;
    }
  }
  return 0;
}

/// The loop with the fewest connections; after the one that was dealt to last when several have as few.
std::size_t Acceptor::choose_loop() {
  std::size_t best = next_loop_;
  for (std::size_t i = 1; i < loops_.size(); ++i) {
    const std::size_t candidate = (next_loop_ + i) % loops_.size();
    if (open_[candidate]->load() < open_[best]->load()) {
      best = candidate;
    }
  }
  next_loop_ = (best + 1) % loops_.size();
  return best;
}

void Acceptor::deal(const Listener& listener, Socket connection) {
  const std::size_t loop = choose_loop();
  // Posted work must be copyable.
  auto shared = std::make_shared<Accepted>(Accepted{std::move(connection), Place(open_[loop])});
  loops_[loop]->post(
      [loop, shared, on_connection = listener.on_connection] { (*on_connection)(loop, std::move(*shared)); });
}

}  // namespace trilby::net
