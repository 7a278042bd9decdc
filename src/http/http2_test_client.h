/// \file  A client of HTTP/2 on a TestClient's connection, for tests.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/http2_transcript.h"
#include "http/message.h"
#include "http/test_server.h"

struct nghttp2_session;

namespace trilby::http {

/// Speaks with nghttp2's client side. Every wait gives up after 10 s and fails the test.
class Http2TestClient {
 public:
  struct Answer {
    int status = 0;
    Fields fields;
    std::string body;
    Fields trailers;
    bool was_invited = false;            ///< 100 Continue came
    bool whole = false;                  ///< it came to its end
    std::optional<std::uint32_t> reset;  ///< the stream's error, when it did not, or when the rest was not wanted
    std::size_t place = 0;               ///< how many had ended before it
  };
  struct Request {
    std::string method = "GET";
    std::string path = "/";
    Fields fields{};
    std::optional<std::string> body{};  ///< sent as windows allow
    bool ends = true;                   ///< else more can be sent
    Fields trailers{};
  };

  /// \param window  initial window of its streams
  explicit Http2TestClient(TestClient client, std::uint32_t window = 65'535);
  /// On a connection that was upgraded: stream 1 is answered.
  static Http2TestClient upgraded(TestClient client, std::string_view settings);
  ~Http2TestClient();
  Http2TestClient(Http2TestClient&&) noexcept;

  std::uint32_t send(const Request& request);
  std::uint32_t get(std::string_view path) { return send({.path = std::string(path)}); }
  void send_more(std::uint32_t stream, std::string_view bytes, bool ends);
  void reset(std::uint32_t stream);
  void open_windows(std::uint32_t stream, std::int32_t by);
  /// Sends what nghttp2 would not.
  void send_raw(std::string_view bytes);

  /// Reads until `condition`. \return false at the end of the connection
  bool read_until(const std::function<bool()>& condition);
  /// Reads until the stream has ended, one way or the other.
  Answer& answer(std::uint32_t stream);
  [[nodiscard]] Answer& so_far(std::uint32_t stream);
  /// Reads to the end of the connection. \return the error of the last GOAWAY; nothing: none came
  std::optional<std::uint32_t> goaway();
  [[nodiscard]] std::optional<std::uint32_t> last_served() const;  ///< of the last GOAWAY
  void read_some();                                                ///< once
  void close();
  TestClient& wire();

 private:
  struct State;
  explicit Http2TestClient(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace trilby::http
