/// \file  The thread that accepts connections and deals them to the loops.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "net/accepted.h"
#include "net/loop.h"
#include "net/socket.h"

namespace trilby::net {

/// Accepts on any number of listening sockets and deals each connection to the loop that has the fewest open ones, in
/// turn when several have: connections stay for long and end unevenly, so that dealing in turn alone would leave one
/// loop idle while another queues. When the process is out of descriptors it pauses and leaves connections in the
/// kernel's queue.
/// Threading: not thread-safe; it starts one thread. Ownership: the loops outlive it.
class Acceptor {
 public:
  /// Runs on the thread of loop number `loop`, possibly after stop().
  using OnConnection = std::function<void(std::size_t loop, Accepted connection)>;

  explicit Acceptor(std::vector<Loop*> loops);  ///< at least one
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  /// Before start(). `listening` may be shared with other processes.
  void add(Socket listening, OnConnection on_connection);
  /// \return Reason::Internal when the system gives no thread or descriptor
  [[nodiscard]] Result<void> start();
  /// Accepts what waits in the queues, then closes the listening sockets. Connections dealt still reach their loops.
  /// \param settle  how long no connection must have come before that (and at most four times as long), for those whose
  ///                handshake is under way; not waited for where only this machine can connect, for it makes them at
  ///                once
  void stop(Duration settle = {});

 private:
  struct Listener {
    Socket socket;
    std::shared_ptr<const OnConnection> on_connection;
  };

  void run();
  void report_pause(int error);
  /// \return 0, or the errno that asks for a pause: out of descriptors, out of memory
  int accept_some(const Listener& listener, int most);
  void accept_waiting();
  void deal(const Listener& listener, Socket connection);
  [[nodiscard]] std::size_t choose_loop();

  std::vector<Loop*> loops_;
  std::vector<std::shared_ptr<Place::Count>> open_;  // connections of each loop; places outlive the acceptor
  std::vector<Listener> listeners_;
  Socket stop_event_;  // readable: stop
  std::atomic<Duration> settle_{Duration{}};
  std::size_t next_loop_ = 0;
  Clock::time_point silent_until_{};  // when a pause may be logged again
  std::thread thread_;
};

}  // namespace trilby::net
