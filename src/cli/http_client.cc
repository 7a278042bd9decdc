#include "cli/http_client.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <llhttp.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include "net/socket.h"

namespace trilby::cli {
namespace {

/// Gathers one answer.
class AnswerParser {
 public:
  AnswerParser() {
    llhttp_settings_init(&settings_);
    settings_.on_header_field = [](llhttp_t* parser, const char* at, std::size_t length) {
      of(parser).name_.append(at, length);
      return 0;
    };
    settings_.on_header_value = [](llhttp_t* parser, const char* at, std::size_t length) {
      of(parser).value_.append(at, length);
      return 0;
    };
    settings_.on_header_value_complete = [](llhttp_t* parser) {
      of(parser).answer_.fields.add(std::exchange(of(parser).name_, {}), std::exchange(of(parser).value_, {}));
      return 0;
    };
    settings_.on_body = [](llhttp_t* parser, const char* at, std::size_t length) {
      of(parser).answer_.body.append(at, length);
      return 0;
    };
    settings_.on_message_complete = [](llhttp_t* parser) {
      const int status = llhttp_get_status_code(parser);
      of(parser).answer_.status = status;
      of(parser).complete_ = status >= 200;  // what comes before is interim
      return of(parser).complete_ ? static_cast<int>(HPE_PAUSED) : 0;
    };
    llhttp_init(&parser_, HTTP_RESPONSE, &settings_);
    parser_.data = this;
  }
  AnswerParser(const AnswerParser&) = delete;
  AnswerParser& operator=(const AnswerParser&) = delete;
  ~AnswerParser() = default;

  /// \return false when it is no answer
  bool take(std::string_view bytes) {
    const llhttp_errno_t error = llhttp_execute(&parser_, bytes.data(), bytes.size());
    return complete_ || error == HPE_OK;
  }
  /// The connection has ended. \return whether the answer has, too: some have no other end
  bool end() {
    llhttp_finish(&parser_);
    return complete_;
  }
  [[nodiscard]] bool complete() const { return complete_; }
  [[nodiscard]] HttpAnswer& answer() { return answer_; }

 private:
  static AnswerParser& of(llhttp_t* parser) { return *static_cast<AnswerParser*>(parser->data); }

  llhttp_settings_t settings_{};
  llhttp_t parser_{};
  std::string name_;
  std::string value_;
  HttpAnswer answer_;
  bool complete_ = false;
};

/// \return false when `descriptor` is not ready in time
bool wait_for(int descriptor, short events, Duration patience) {
  pollfd polled{descriptor, events, 0};
  return poll(&polled, 1, static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(patience).count())) > 0;
}

tl::unexpected<Error> gone_wrong(const app::Address& address, std::string_view what) {
  return fail(Reason::UpstreamFailed, "{}: {}", app::format(address), what);
}

Result<net::Socket> connect_to(const app::Address& address, Duration patience) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
      error != 0) {
    return gone_wrong(address, gai_strerror(error));
  }
  net::Socket socket(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const bool begun = connect(socket.get(), found->ai_addr, found->ai_addrlen) == 0 || errno == EINPROGRESS;
  int error = errno;
  freeaddrinfo(found);
  if (begun) {
    socklen_t size = sizeof error;
    if (!wait_for(socket.get(), POLLOUT, patience)) {
      return gone_wrong(address, "nobody accepts the connection");
    }
    getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  }
  return begun && error == 0 ? Result<net::Socket>(std::move(socket)) : gone_wrong(address, std::strerror(error));
}

/// Sends all of it, or what the peer takes before it answers.
void send_all(int socket, std::string_view bytes, Duration patience) {
  while (!bytes.empty() && wait_for(socket, POLLOUT, patience)) {
    const ssize_t sent = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
      return;  // it may have answered all the same
    }
    bytes.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
  }
}

}  // namespace

std::string make_request(std::string_view method, std::string_view target, std::string_view fields,
                         std::string_view body) {
  return fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n{}\r\n{}", method,
                     target, body.size(), fields, body);
}

Result<HttpAnswer> ask(const app::Address& address, std::string_view request, Duration patience) {
  TRILBY_ASSIGN(const net::Socket socket, connect_to(address, patience));
  send_all(socket.get(), request, patience);
  AnswerParser parser;
  std::array<char, 16 * 1024> piece{};
  while (!parser.complete()) {
    if (!wait_for(socket.get(), POLLIN, patience)) {
      return gone_wrong(address, fmt::format("no answer within {}", trilby::format(patience)));
    }
    const ssize_t count = recv(socket.get(), piece.data(), piece.size(), 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
      continue;
    }
    if (count < 0) {
      return gone_wrong(address, std::strerror(errno));
    }
    const bool fine =
        count == 0 ? parser.end() : parser.take(std::string_view(piece.data(), static_cast<std::size_t>(count)));
    if (!fine) {
      return gone_wrong(address, count == 0 ? "the connection ended before the answer did" : "what came is no HTTP");
    }
    if (parser.answer().body.size() > kMaxAnswer.count) {
      return gone_wrong(address, fmt::format("the answer is longer than {}", trilby::format(kMaxAnswer)));
    }
  }
  return std::move(parser.answer());
}

}  // namespace trilby::cli
