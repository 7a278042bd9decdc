/// \file  A process for each request: a thread for each connection spawns the command, reads what it writes to its end,
/// reaps it, and answers with it. The peer that `hello` is measured against (docs/benchmarks.md), for a plain process
/// and, with the sandbox's command line in front, for a container-like start. Usage: process_server PORT COMMAND
/// [ARGUMENT...]

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr std::size_t kMaxHead = 16U << 10U;
constexpr std::size_t kMaxOutput = 1U << 20U;

[[noreturn]] void give_up(std::string_view what) {
  fmt::print(stderr, "process_server: {}: {}\n", what, std::strerror(errno));
  std::exit(EXIT_FAILURE);
}

/// What one run of the command wrote, or nothing when it did not end with 0.
std::optional<std::string> run(char* const* command) {
  std::array<int, 2> pipe_ends{};
  if (pipe2(pipe_ends.data(), O_CLOEXEC) != 0) {
    return std::nullopt;
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
  pid_t child = 0;
  const int error = posix_spawn(&child, command[0], &actions, nullptr, command, environ);  // as vfork and exec do
  posix_spawn_file_actions_destroy(&actions);
  close(pipe_ends[1]);
  std::string output;
  if (error == 0) {
    std::array<char, 4096> piece{};
    while (output.size() < kMaxOutput) {
      const ssize_t count = read(pipe_ends[0], piece.data(), piece.size());
      if (count > 0) {
        output.append(piece.data(), static_cast<std::size_t>(count));
      } else if (count == 0 || errno != EINTR) {
        break;
      }
    }
  }
  close(pipe_ends[0]);
  int status = 0;
  if (error != 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return std::nullopt;
  }
  return output;
}

bool send_all(int connection, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

/// Answers requests without a body, whatever their path, until the peer goes.
void serve(int connection, char* const* command) {
  std::string input;
  std::array<char, 4096> piece{};
  while (input.size() < kMaxHead) {
    const ssize_t count = recv(connection, piece.data(), piece.size(), 0);
    if (count <= 0) {
      break;
    }
    input.append(piece.data(), static_cast<std::size_t>(count));
    bool alive = true;
    for (std::size_t end = input.find("\r\n\r\n"); alive && end != std::string::npos; end = input.find("\r\n\r\n")) {
      input.erase(0, end + 4);
      const auto output = run(command);
      alive =
          send_all(connection,
                   output ? fmt::format("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{}",
                                        output->size(), *output)
                          : "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n");
    }
    if (!alive) {
      break;
    }
  }
  close(connection);
}

int listen_on(std::uint16_t port) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (listener < 0 || bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener, SOMAXCONN) != 0) {
    give_up("cannot listen");
  }
  return listener;
}

}  // namespace

int main(int argc, char** argv) {
  const unsigned long port = argc >= 3 ? std::strtoul(argv[1], nullptr, 10) : 0;
  if (port == 0 || port > 65'535) {
    fmt::print(stderr, "usage: process_server PORT COMMAND [ARGUMENT...]\n");
    return EXIT_FAILURE;
  }
  const int listener = listen_on(static_cast<std::uint16_t>(port));
  while (true) {
    const int connection = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) {
      if (errno == EINTR || errno == ECONNABORTED) {
        continue;
      }
      give_up("cannot accept");
    }
    const int on = 1;
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    std::thread(serve, connection, argv + 2).detach();
  }
}
