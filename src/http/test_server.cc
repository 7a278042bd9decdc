#include "http/test_server.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "net/address.h"
#include "net/test_loop.h"

namespace trilby::http {
namespace {

constexpr std::chrono::seconds kPatience{10};

std::size_t number(std::string_view text, int base) {
  std::size_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, base);
  return value;
}

net::Socket connected_to(std::uint16_t port) {
  net::Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto address = net::Address::parse("127.0.0.1", port).value();
  EXPECT_EQ(::connect(socket.get(), address.get(), address.size()), 0);
  return socket;
}

}  // namespace

std::optional<std::string> Answer::field(std::string_view name) const {
  for (std::size_t at = head.find("\r\n"); at != std::string::npos; at = head.find("\r\n", at + 2)) {
    const std::string_view line = std::string_view(head).substr(at + 2, head.find("\r\n", at + 2) - at - 2);
    const std::size_t colon = line.find(": ");
    if (colon != std::string_view::npos && equal_ignoring_case(line.substr(0, colon), name)) {
      return std::string(line.substr(colon + 2));
    }
  }
  return std::nullopt;
}

TestPeer::TestPeer(net::Socket socket) : socket_(std::move(socket)) {
  const timeval patience{.tv_sec = kPatience.count(), .tv_usec = 0};
  setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

TestClient::TestClient(std::uint16_t port) : TestPeer(connected_to(port)) {}

void TestPeer::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      ADD_FAILURE() << "the other end takes nothing: " << std::generic_category().message(errno);
      return;
    }
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::size_t TestPeer::send_what_fits(std::string_view bytes) {
  const std::size_t size = bytes.size();
  pollfd polled{.fd = socket_.get(), .events = POLLOUT, .revents = 0};
  while (!bytes.empty() && poll(&polled, 1, 50) == 1) {
    const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN) {
      break;
    }
    bytes.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
  }
  return size - bytes.size();
}

bool TestPeer::read_more() {
  std::array<char, 65536> buffer;
  const ssize_t size = recv(socket_.get(), buffer.data(), buffer.size(), 0);
  EXPECT_FALSE(size < 0 && errno == EAGAIN) << "the other end says nothing";
  if (size <= 0) {
    was_reset_ = size < 0;
    return false;
  }
  waiting_.append(buffer.data(), static_cast<std::size_t>(size));
  return true;
}

std::string TestPeer::read_head() {
  std::size_t end = 0;
  while ((end = waiting_.find("\r\n\r\n")) == std::string::npos) {
    if (!read_more()) {
      return {};
    }
  }
  std::string head = waiting_.substr(0, end + 2);
  waiting_.erase(0, end + 4);
  return head;
}

Answer TestPeer::request() {
  Answer got;
  got.head = read_head();
  if (!got.head.empty()) {
    read_body(got, false);
  }
  return got;
}

std::string TestPeer::body_of(std::string head) {
  Answer got;
  got.head = std::move(head);
  read_body(got, false);
  return got.body;
}

Answer TestPeer::answer(bool to_head) {
  Answer got;
  got.head = read_head();
  if (got.head.empty()) {
    return got;
  }
  got.status = static_cast<int>(number(std::string_view(got.head).substr(9, 3), 10));
  if (to_head) {
    got.whole = true;
  } else {
    read_body(got, true);
  }
  return got;
}

/// \param until_close  when the head does not say how the body ends
void TestPeer::read_body(Answer& got, bool until_close) {
  std::size_t end = 0;
  const auto take = [&](std::size_t size) {
    while (waiting_.size() < size && read_more()) {
    }
    const bool is_whole = waiting_.size() >= size;
    std::string taken = waiting_.substr(0, size);
    waiting_.erase(0, size);
    return std::pair(is_whole, taken);
  };
  if (const auto length = got.field("content-length")) {
    std::tie(got.whole, got.body) = take(number(*length, 10));
  } else if (got.field("transfer-encoding") == "chunked") {
    for (std::size_t size = 1; size > 0;) {
      while ((end = waiting_.find("\r\n")) == std::string::npos) {
        if (!read_more()) {
          return;
        }
      }
      size = number(waiting_, 16);
      waiting_.erase(0, end + 2);
      const auto [is_whole, chunk] = take(size + 2);
      if (!is_whole) {
        return;
      }
      got.body += chunk.substr(0, size);
    }
    got.whole = true;
  } else if (!until_close) {
    got.whole = true;
  } else {
    while (read_more()) {
    }
    got.whole = !was_reset_;
    got.body = std::exchange(waiting_, {});
  }
}

Answer TestClient::get(std::string_view target) {
  send(fmt::format("GET {} HTTP/1.1\r\nHost: test\r\n\r\n", target));
  return answer();
}

std::string TestPeer::take_bytes() {
  if (waiting_.empty()) {
    read_more();
  }
  return std::exchange(waiting_, {});
}

void TestPeer::read_some(std::size_t most) {
  std::string thrown_away(most, '\0');
  (void)recv(socket_.get(), thrown_away.data(), thrown_away.size(), MSG_DONTWAIT);
}

bool TestPeer::at_end() {
  return waiting_.empty() && !read_more();
}

void TestPeer::shutdown_send() {
  ::shutdown(socket_.get(), SHUT_WR);
}

void TestPeer::reset() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  socket_.close();
}

TestServer::TestServer(Handler handler, ServerLimits limits, std::shared_ptr<const net::TlsContext> tls,
                       observe::HandshakeMetrics* handshakes)
    : listening_(net::listen_tcp("127.0.0.1", 0).value()) {
  server_.emplace(
      loop_, limits, std::move(handler),
      [](Reason reason, std::string_view detail) {
        Response page = text_response(fmt::format("{}: {}", name(reason), detail));
        page.status = info(reason).status;
        return page;
      },
      std::move(tls), handshakes);
  thread_ = std::thread([this] { loop_.run(); });
}

TestServer::~TestServer() {
  destroy_server();
  loop_.stop();
  thread_.join();
}

void TestServer::destroy_server() {
  on_loop([this] { server_.reset(); });
}

TestClient TestServer::connect() {
  return TestClient(connect_socket());
}

net::Socket TestServer::connect_socket() {
  net::Socket client = connected_to(net::local_port(listening_.get()));
  pollfd polled{.fd = listening_.get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&polled, 1, 10'000), 1);
  const int accepted = accept4(listening_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  on_loop([&] { server_->serve({net::Socket(accepted), {}}); });
  return client;
}

void TestServer::on_loop(const std::function<void()>& work) {
  net::run_on(loop_, work);
}

bool TestServer::wait_until(const std::function<bool()>& condition) {
  const auto until = Clock::now() + kPatience;
  bool holds = false;
  while (!holds && Clock::now() < until) {
    on_loop([&] { holds = condition(); });
    std::this_thread::yield();
  }
  return holds;
}

Response text_response(std::string text) {
  Response response;
  response.fields.add("content-type", "text/plain");
  response.body = make_body(std::move(text));
  return response;
}

void echo(const std::shared_ptr<Exchange>& exchange) {
  answer_with(exchange, exchange->take_body());
}

void answer_with(const std::shared_ptr<Exchange>& exchange, std::unique_ptr<BodySource> request_body) {
  // The reading keeps itself: its handle lives in its own callback.
  const auto handle = std::make_shared<std::shared_ptr<void>>();
  *handle = read_all(std::move(request_body), Bytes{1 << 20}, [exchange, handle](Result<std::string> body) {
    if (body) {
      exchange->respond(text_response(std::move(*body)));
    } else {
      Response response = text_response(std::string(name(body.error().reason)));
      response.status = info(body.error().reason).status;
      exchange->respond(std::move(response));
    }
    handle->reset();
  });
}

}  // namespace trilby::http
