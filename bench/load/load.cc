#include "load/load.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <deque>
#include <optional>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "net/socket.h"

namespace trilby::bench {
namespace {

constexpr std::size_t kMaxAnswer = 1U << 20U;
constexpr int kEvents = 512;

struct Connection {
  net::Socket socket;
  std::string input;
  std::size_t unsent = 0;                // bytes of the request, from its end
  std::optional<Clock::time_point> due;  // of the request that is on its way; nothing: idle
};

struct Answer {
  int status = 0;
  bool last = false;  // the server closes the connection
};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

/// The value of a field of a head, without regard to the case of its name.
std::optional<std::string_view> field(std::string_view head, std::string_view name) {
  for (std::size_t at = head.find("\r\n"); at != std::string_view::npos; at = head.find("\r\n", at + 2)) {
    const std::string_view line = head.substr(at + 2, head.find("\r\n", at + 2) - (at + 2));
    if (line.size() > name.size() && line[name.size()] == ':' &&
        std::equal(name.begin(), name.end(), line.begin(), [](char a, char b) { return a == lower(b); })) {
      const std::size_t begin = line.find_first_not_of(' ', name.size() + 1);
      return begin == std::string_view::npos ? std::string_view{} : line.substr(begin);
    }
  }
  return std::nullopt;
}

/// \return nothing while the answer is not whole
Result<std::optional<Answer>> parse(std::string_view input) {
  constexpr std::string_view kVersion = "HTTP/1.1 ";
  const std::size_t end = input.find("\r\n\r\n");
  if (end == std::string_view::npos) {
    return input.size() < kMaxAnswer ? Result<std::optional<Answer>>(std::nullopt)
                                     : fail(Reason::UpstreamFailed, "the answer's head is too long");
  }
  const std::string_view head = input.substr(0, end);
  Answer answer;
  std::uint64_t length = 0;
  const std::string_view stated = field(head, "content-length").value_or("");
  if (!head.starts_with(kVersion) ||
      std::from_chars(head.data() + kVersion.size(), head.data() + head.size(), answer.status).ec != std::errc{} ||
      std::from_chars(stated.data(), stated.data() + stated.size(), length).ec != std::errc{} || length > kMaxAnswer) {
    return fail(Reason::UpstreamFailed, "an answer is not understood: {}", head.substr(0, 200));
  }
  const std::size_t whole = end + 4 + length;
  if (input.size() < whole) {
    return std::nullopt;
  }
  if (input.size() > whole) {
    return fail(Reason::UpstreamFailed, "more came than the answer has");
  }
  answer.last = field(head, "connection") == "close";
  return answer;
}

class Load {
 public:
  explicit Load(const LoadPlan& plan)
      : plan_(plan),
        request_("GET " + plan.path + " HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"),
        distance_(plan.rate > 0 ? plan.rate : 1),
        random_(plan.seed),
        connections_(plan.connections) {}

  Result<LoadResult> run();

 private:
  [[nodiscard]] bool open_loop() const { return plan_.rate > 0; }
  [[nodiscard]] bool more_fall_due(Clock::time_point now) const {
    return now < end_ && (plan_.requests == 0 || result_.due < plan_.requests);
  }
  void send_due(Clock::time_point now);
  [[nodiscard]] Result<void> wait(Clock::time_point now);
  void start(Connection& connection, Clock::time_point due);
  [[nodiscard]] bool connect(Connection& connection);
  void flush(Connection& connection);
  [[nodiscard]] Result<void> receive(Connection& connection);
  [[nodiscard]] Result<void> take(Connection& connection);
  void lose(Connection& connection);

  const LoadPlan& plan_;
  const std::string request_;
  std::exponential_distribution<double> distance_;
  std::mt19937_64 random_;

  net::Socket epoll_;
  std::vector<Connection> connections_;
  std::vector<Connection*> closed_;
  std::vector<Connection*> idle_;
  std::deque<Clock::time_point> waiting_;  // due, not sent
  Clock::time_point next_due_;
  Clock::time_point begin_;
  Clock::time_point end_;
  std::uint64_t on_their_way_ = 0;
  LoadResult result_;
};

std::uint32_t microseconds(Duration duration) {
  return static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::microseconds>(duration).count());
}

Result<LoadResult> Load::run() {
  epoll_ = net::Socket(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) {
    return fail(Reason::Internal, "epoll: {}", std::strerror(errno));
  }
  prctl(PR_SET_TIMERSLACK, 1);  // ns; by default a wait may be 50 us too long
  for (Connection& connection : connections_) {
    closed_.push_back(&connection);
  }
  begin_ = Clock::now();
  end_ = begin_ + plan_.length;
  next_due_ = begin_;
  if (!open_loop()) {
    for (std::uint32_t i = 0; i < plan_.connections && more_fall_due(begin_); ++i) {
      ++result_.due;
      start(connections_[i], begin_);
    }
  }
  auto now = begin_;
  auto last = begin_;  // when something fell due
  while (true) {
    if (open_loop()) {
      send_due(now);
    }
    const bool more = more_fall_due(now);
    if (more) {
      last = now;
    }
    if ((!more && on_their_way_ == 0 && waiting_.empty()) || now - last > plan_.patience) {
      break;
    }
    TRILBY_CHECK(wait(now));
    now = Clock::now();
  }
  result_.failed += on_their_way_ + waiting_.size();
  return std::move(result_);
}

/// Sends what is due, first come, first served, as far as connections are free.
void Load::send_due(Clock::time_point now) {
  std::size_t fell_due = 0;
  while (next_due_ <= now && more_fall_due(next_due_)) {
    waiting_.push_back(next_due_);
    ++fell_due;
    next_due_ += std::chrono::duration_cast<Duration>(std::chrono::duration<double>(distance_(random_)));
    ++result_.due;
  }
  while (!waiting_.empty() && !(idle_.empty() && closed_.empty())) {
    std::vector<Connection*>& from = idle_.empty() ? closed_ : idle_;
    Connection& connection = *from.back();
    from.pop_back();
    const auto due = waiting_.front();
    waiting_.pop_front();
    start(connection, due);
  }
  result_.starved += std::min(waiting_.size(), fell_due);
}

Result<void> Load::wait(Clock::time_point now) {
  // Without anything due, look up now and then whether patience is over.
  auto until = now + std::chrono::milliseconds(100);
  if (now < end_) {
    until = std::min(until, end_);
  }
  if (open_loop() && more_fall_due(next_due_)) {
    until = std::min(until, next_due_);
  }
  const Duration time = std::max(Duration{0}, Duration(until - now));
  const timespec timeout{.tv_sec = time / std::chrono::seconds(1), .tv_nsec = (time % std::chrono::seconds(1)).count()};
  std::array<epoll_event, kEvents> events{};
  const int count = epoll_pwait2(epoll_.get(), events.data(), kEvents, &timeout, nullptr);
  if (count < 0 && errno != EINTR) {
    return fail(Reason::Internal, "epoll: {}", std::strerror(errno));
  }
  for (int i = 0; i < count; ++i) {
    auto& connection = *static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
    if (connection.unsent > 0 && (events[static_cast<std::size_t>(i)].events & EPOLLOUT) != 0) {
      flush(connection);
    }
    if (connection.socket && (events[static_cast<std::size_t>(i)].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) {
      TRILBY_CHECK(receive(connection));
    }
  }
  return {};
}

void Load::start(Connection& connection, Clock::time_point due) {
  connection.due = due;
  ++on_their_way_;
  if (!connection.socket && !connect(connection)) {
    return lose(connection);
  }
  if (open_loop()) {
    ++result_.late[microseconds(Clock::now() - due)];
  }
  connection.unsent = request_.size();
  flush(connection);
}

/// Begins to connect; what is sent before the peer took it is sent then.
bool Load::connect(Connection& connection) {
  connection.input.clear();
  connection.socket = net::Socket(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(connection.socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(plan_.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLET;
  event.data.ptr = &connection;
  return connection.socket && epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, connection.socket.get(), &event) == 0 &&
         (::connect(connection.socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
          errno == EINPROGRESS);
}

void Load::flush(Connection& connection) {
  const std::string_view rest = std::string_view(request_).substr(request_.size() - connection.unsent);
  const ssize_t sent = send(connection.socket.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
  if (sent >= 0) {
    connection.unsent -= static_cast<std::size_t>(sent);
  } else if (errno != EAGAIN && errno != EINTR && errno != ENOTCONN) {
    lose(connection);
  }
}

Result<void> Load::receive(Connection& connection) {
  static thread_local std::array<char, 1U << 16U> piece;
  while (connection.socket) {
    const ssize_t count = recv(connection.socket.get(), piece.data(), piece.size(), 0);
    if (count > 0) {
      connection.input.append(piece.data(), static_cast<std::size_t>(count));
      TRILBY_CHECK(take(connection));
      if (static_cast<std::size_t>(count) < piece.size()) {
        return {};  // nothing more was there; what comes now is another event
      }
    } else if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
      return {};
    } else {
      lose(connection);
    }
  }
  return {};
}

/// Takes an answer that is whole.
Result<void> Load::take(Connection& connection) {
  TRILBY_ASSIGN(const std::optional<Answer> answer, parse(connection.input));
  if (!answer) {
    return {};
  }
  if (!connection.due) {
    return fail(Reason::UpstreamFailed, "an answer came that nobody asked for");
  }
  const auto now = Clock::now();
  ++result_.answers[answer->status][microseconds(now - *connection.due)];
  result_.took = now - begin_;
  connection.input.clear();
  connection.due.reset();
  --on_their_way_;
  if (answer->last) {
    connection.socket.close();
  }
  if (!open_loop() && more_fall_due(now)) {
    ++result_.due;
    start(connection, now);
  } else {
    (connection.socket ? idle_ : closed_).push_back(&connection);
  }
  return {};
}

/// The connection broke, and with it the request that was on it. In a closed loop it is not used again.
void Load::lose(Connection& connection) {
  connection.socket.close();
  connection.unsent = 0;
  closed_.push_back(&connection);
  if (std::exchange(connection.due, std::nullopt)) {
    --on_their_way_;
    ++result_.failed;
  } else {
    std::erase(idle_, &connection);
  }
}

}  // namespace

Result<LoadResult> run_load(const LoadPlan& plan) {
  const bool connected = plan.port != 0 && plan.connections >= 1 && plan.connections <= kMaxConnections;
  const bool paced = plan.rate >= 0 && plan.rate <= kMaxRate;  // not a number is neither
  const bool ends = plan.length > Duration{0} && plan.length <= kMaxLength && plan.patience <= kMaxLength;
  if (!connected || !paced || !ends || !plan.path.starts_with('/')) {
    return fail(Reason::BadRequest, "the plan of the load is out of bounds (load.h)");
  }
  return Load(plan).run();
}

}  // namespace trilby::bench
