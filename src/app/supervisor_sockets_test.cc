#include "app/supervisor_sockets.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace trilby::app {
namespace {

Manifest manifest_of(std::string_view apps) {
  return parse_manifest(fmt::format("trilby = 1\n[admin]\nlisten = '127.0.0.1:0'\n{}", apps), "/s/t.toml").value();
}

Manifest manifest_with(std::uint16_t port) {
  return manifest_of(fmt::format("[app.web]\nport = {}\npublic = '127.0.0.1:0'\n", port));
}

const net::Socket* socket_of(const std::vector<OpenListener>& listeners, std::string_view app, ListenerKind kind) {
  const auto at = std::find_if(listeners.begin(), listeners.end(),
                               [&](const OpenListener& one) { return one.bound.app == app && one.bound.kind == kind; });
  return at == listeners.end() ? nullptr : at->socket.get();
}

/// Begins to connect. \return a socket whose connect() goes on in the background, unless it was made at once
net::Socket begin_to_connect(int listening) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(net::local_port(listening));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  net::Socket client(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  (void)connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  return client;
}

bool accepts(int listening) {
  return static_cast<bool>(net::Socket(accept4(listening, nullptr, nullptr, SOCK_CLOEXEC)));
}

TEST(Listeners, AnyFreePortIsBoundAndKnown) {
  const auto listeners = open_listeners(manifest_with(0));
  ASSERT_TRUE(listeners) << listeners.error().message;
  ASSERT_EQ(listeners->size(), 3U);
  EXPECT_EQ((*listeners)[0].bound.kind, ListenerKind::AppChannel);
  EXPECT_EQ((*listeners)[1].bound.kind, ListenerKind::Public);
  EXPECT_EQ((*listeners)[2].bound.kind, ListenerKind::Admin);
  for (const OpenListener& listener : *listeners) {
    EXPECT_NE(listener.bound.address.port, 0);
    EXPECT_EQ(listener.bound.address.port, net::local_port(listener.socket->get()));
  }
}

TEST(Listeners, PortInUseNamesTheFieldTheOwnerAndTheMend) {
  const net::Socket other = net::listen_tcp("127.0.0.1", 0).value();
  const std::uint16_t port = net::local_port(other.get());
  const auto listeners = open_listeners(manifest_with(port));
  ASSERT_FALSE(listeners);
  EXPECT_EQ(listeners.error().reason, Reason::Manifest);
  EXPECT_EQ(listeners.error().message,
            fmt::format("/s/t.toml:5: app.web.port: 127.0.0.1:{} is in use by supervisor_test (pid {})\n"
                        "try: stop that, write another port, or add --port web=0 for any free one",
                        port, getpid()));
}

TEST(Listeners, AddressOfAnotherMachineIsNotCalledInUse) {
  const Manifest manifest =
      parse_manifest("trilby = 1\n[admin]\nlisten = '127.0.0.1:0'\n[app.web]\nport = 0\npublic = '192.0.2.1:80'\n",
                     "/s/t.toml")
          .value();
  const auto listeners = open_listeners(manifest);
  ASSERT_FALSE(listeners);
  EXPECT_TRUE(listeners.error().message.starts_with("/s/t.toml:6: app.web.public: ")) << listeners.error().message;
  EXPECT_EQ(listeners.error().message.find("in use"), std::string::npos);
}

TEST(Listeners, WhatIsHeldIsSharedWithWhoAsksForTheSame) {
  const auto held = open_listeners(manifest_of("[app.web]\nport = 0\n[app.api]\nport = 0\n")).value();
  const auto next = open_listeners(manifest_of("[app.api]\nport = 0\npublic = '127.0.0.1:0'\n"), held).value();
  for (const auto& [app, kind] : {std::pair("api", ListenerKind::AppChannel), std::pair("", ListenerKind::Admin)}) {
    EXPECT_EQ(socket_of(next, app, kind), socket_of(held, app, kind));
  }
  const net::Socket* fresh = socket_of(next, "api", ListenerKind::Public);
  EXPECT_TRUE(std::none_of(held.begin(), held.end(), [&](const auto& one) { return one.socket.get() == fresh; }));
  const auto again = open_listeners(manifest_of("[app.api]\nport = 0\n"), next).value();
  EXPECT_EQ(again.front().bound.address.port, net::local_port(again.front().socket->get()))
      << "as bound, not as wanted";
}

TEST(Listeners, AnotherAppMayTakeOverTheAddress) {
  const auto held = open_listeners(manifest_of("[app.web]\nport = 0\n")).value();
  const std::uint16_t port = held.front().bound.address.port;
  const auto next = open_listeners(manifest_of(fmt::format("[app.site]\nport = {}\n", port)), held).value();
  EXPECT_EQ(socket_of(next, "site", ListenerKind::AppChannel), socket_of(held, "web", ListenerKind::AppChannel));
}

TEST(Listeners, TwoAppsMaySwapTheirPorts) {
  const auto any = open_listeners(manifest_of("[app.a]\nport = 0\n[app.b]\nport = 0\n")).value();
  const auto text = [&](std::size_t first, std::size_t second) {
    return manifest_of(fmt::format("[app.a]\nport = {}\n[app.b]\nport = {}\n", any[first].bound.address.port,
                                   any[second].bound.address.port));
  };
  const auto held = open_listeners(text(0, 1), any).value();
  const auto swapped = open_listeners(text(1, 0), held).value();
  EXPECT_EQ(socket_of(swapped, "a", ListenerKind::AppChannel), socket_of(held, "b", ListenerKind::AppChannel));
  EXPECT_EQ(socket_of(swapped, "b", ListenerKind::AppChannel), socket_of(held, "a", ListenerKind::AppChannel));
}

TEST(Listeners, OneThatRefusesStillGivesWhatWaits) {
  const net::Socket listening = net::listen_tcp("127.0.0.1", 0).value();
  const net::Socket before = begin_to_connect(listening.get());
  refuse_connections(listening);
  const net::Socket after = begin_to_connect(listening.get());
  EXPECT_TRUE(accepts(listening.get()));
  EXPECT_FALSE(accepts(listening.get()));
}

}  // namespace
}  // namespace trilby::app
