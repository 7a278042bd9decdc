#include "cli/http_client.h"

#include <algorithm>
#include <array>
#include <thread>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/socket.h"

namespace trilby::cli {
namespace {

using namespace std::chrono_literals;

/// Answers one connection with `answer`, whatever is asked, and closes it.
class OneAnswer {
 public:
  explicit OneAnswer(std::string answer) : listening_(net::listen_tcp("127.0.0.1", 0).value()) {
    address = {"127.0.0.1", net::local_port(listening_.get())};
    thread_ = std::thread([this, text = std::move(answer)] {
      int accepted = -1;
      while ((accepted = accept(listening_.get(), nullptr, nullptr)) < 0) {
        std::this_thread::yield();
      }
      const net::Socket connection(accepted);
      std::array<char, 1024> asked{};
      const ssize_t count = recv(accepted, asked.data(), asked.size(), 0);
      request.assign(asked.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
      send(accepted, text.data(), text.size(), MSG_NOSIGNAL);
    });
  }
  ~OneAnswer() { join(); }
  OneAnswer(const OneAnswer&) = delete;
  OneAnswer& operator=(const OneAnswer&) = delete;
  void join() {
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  app::Address address;
  std::string request;

 private:
  net::Socket listening_;
  std::thread thread_;
};

TEST(HttpClient, ReadsStatusFieldsAndBody) {
  OneAnswer server("HTTP/1.1 422 No\r\nTrilby-Reason: bad-input\r\nContent-Length: 2\r\n\r\nno");
  const auto answer = ask(server.address, make_request("POST", "/f", "api: go\r\n", "in"), 10s);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 422);
  EXPECT_EQ(*answer->fields.find("trilby-reason"), "bad-input");
  EXPECT_EQ(answer->body, "no");
  server.join();
  EXPECT_EQ(server.request,
            "POST /f HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\napi: go\r\n\r\nin");
}

TEST(HttpClient, PassesOverInterimAnswersAndReadsChunks) {
  OneAnswer server(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: "
      "chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
  const auto answer = ask(server.address, make_request("GET", "/"), 10s);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "abc");
}

TEST(HttpClient, ReadsABodyThatEndsWithTheConnection) {
  OneAnswer server("HTTP/1.1 200 OK\r\n\r\nall of it");
  const auto answer = ask(server.address, make_request("GET", "/"), 10s);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "all of it");
}

TEST(HttpClient, ABrokenOffAnswerIsNone) {
  OneAnswer server("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  EXPECT_FALSE(ask(server.address, make_request("GET", "/"), 10s));
}

TEST(HttpClient, WhatIsNoHttpIsNoAnswer) {
  OneAnswer server("SSH-2.0-x\r\n");
  EXPECT_FALSE(ask(server.address, make_request("GET", "/"), 10s));
}

TEST(HttpClient, SaysThatNobodyListens) {
  std::uint16_t port = 0;
  {
    const net::Socket closed = net::listen_tcp("127.0.0.1", 0).value();
    port = net::local_port(closed.get());
  }
  const auto answer = ask({"127.0.0.1", port}, make_request("GET", "/"), 10s);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, Reason::UpstreamFailed);
}

}  // namespace
}  // namespace trilby::cli
