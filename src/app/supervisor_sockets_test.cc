#include "app/supervisor_sockets.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace trilby::app {
namespace {

Manifest manifest_with(std::uint16_t port) {
  return parse_manifest(
             fmt::format("trilby = 1\n[admin]\nlisten = '127.0.0.1:0'\n[app.web]\nport = {}\npublic = '127.0.0.1:0'\n",
                         port),
             "/s/t.toml")
      .value();
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
    EXPECT_EQ(listener.bound.address.port, net::local_port(listener.socket.get()));
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

}  // namespace
}  // namespace trilby::app
