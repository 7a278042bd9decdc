/// \file  A server on a loop of its own, and blocking peers for either side, for tests.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "http/server.h"
#include "net/loop.h"
#include "net/socket.h"

namespace trilby::http {

/// A message as a peer understood it: an answer, or a request.
struct Answer {
  int status = 0;  ///< of an answer; 0: the connection ended before a head
  std::string head;
  std::string body;
  bool whole = false;  ///< the body came to the end that its framing promised

  [[nodiscard]] std::optional<std::string> field(std::string_view name) const;
};

/// A blocking end of one connection. Every call gives up after 10 s and fails the test.
class TestPeer {
 public:
  explicit TestPeer(net::Socket socket);

  void send(std::string_view bytes);
  /// Sends without blocking until nothing was taken for 50 ms. \return bytes taken
  std::size_t send_what_fits(std::string_view bytes);
  /// Reads one answer. \param to_head  the answer to HEAD, or an interim one: there is no body
  Answer answer(bool to_head = false);
  Answer request();                       ///< reads one request
  std::string body_of(std::string head);  ///< reads the body of a request whose head was read
  std::string read_head();                ///< reads the head of either; empty: the connection ended
  /// What has come and was not taken, and waits for some when that is nothing. Empty at the end of the connection.
  std::string take_bytes();
  /// Takes up to `most` bytes that are there, and throws them away. Does not wait.
  void read_some(std::size_t most);
  /// \return whether nothing more came before the end of the connection
  bool at_end();

  void shutdown_send();
  void close() { socket_.close(); }
  void reset();  ///< closes so that the other end sees a reset

 private:
  bool read_more();
  void read_body(Answer& message, bool until_close);

  net::Socket socket_;
  std::string waiting_;
  bool was_reset_ = false;  // the connection did not end in good order
};

class TestClient final : public TestPeer {
 public:
  using TestPeer::TestPeer;
  explicit TestClient(std::uint16_t port);
  Answer get(std::string_view target);
};

/// Serves `handler` on 127.0.0.1 until it is destroyed. Refusals are text: "reason: detail".
class TestServer {
 public:
  explicit TestServer(Handler handler, ServerLimits limits = {}, std::shared_ptr<const net::TlsContext> tls = nullptr,
                      observe::HandshakeMetrics* handshakes = nullptr);
  ~TestServer();

  [[nodiscard]] TestClient connect();
  [[nodiscard]] net::Socket connect_socket();  ///< a blocking one
  /// Runs `work` on the loop and waits for its end.
  void on_loop(const std::function<void()>& work);
  /// Waits until `condition`, asked on the loop, holds. \return false when it does not within 10 s
  bool wait_until(const std::function<bool()>& condition);
  [[nodiscard]] Server& server() { return *server_; }
  [[nodiscard]] net::Loop& loop() { return loop_; }
  void destroy_server();

 private:
  net::Loop loop_;
  std::optional<Server> server_;
  net::Socket listening_;
  std::thread thread_;
};

[[nodiscard]] Response text_response(std::string text);

/// Reads the whole body and answers with it; with the reason's status and name when that fails.
void answer_with(const std::shared_ptr<Exchange>& exchange, std::unique_ptr<BodySource> request_body);
/// The same with the request's own body: a Handler.
void echo(const std::shared_ptr<Exchange>& exchange);

}  // namespace trilby::http
