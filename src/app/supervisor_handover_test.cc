#include "app/supervisor_handover.h"

#include <gtest/gtest.h>

namespace trilby::app {
namespace {

TEST(Handover, ListenersAreReadBackAsTheyWere) {
  for (const Listener& listener : {Listener{ListenerKind::AppChannel, "web", 5},
                                   Listener{ListenerKind::Public, "web", 6}, Listener{ListenerKind::Admin, "", 7}}) {
    const Listener again = parse_listener(format(listener)).value();
    EXPECT_EQ(again.kind, listener.kind);
    EXPECT_EQ(again.app, listener.app);
    EXPECT_EQ(again.socket, listener.socket);
  }
}

TEST(Handover, OtherTextIsRefused) {
  for (const char* text :
       {"", "admin", "admin:", "admin:=", "admin:=x", "admin:=-1", "admin:=5 ", "other:web=5", "channel=5", "=:"}) {
    EXPECT_EQ(parse_listener(text).error().reason, Reason::BadRequest) << text;
  }
}

TEST(Handover, ArgumentsNameTheHiddenCommandFirst) {
  const Handover handover{"/s/trilby.toml", 3, 4, 5, 7, {{ListenerKind::Admin, "", 6}}, {{"web", 3501}}, true, true};
  EXPECT_EQ(to_arguments(handover),
            (std::vector<std::string>{"worker", "--manifest", "/s/trilby.toml", "--manifest-fd", "3", "--reports-fd",
                                      "4", "--orders-fd", "5", "--counts-fd", "7", "--beside", "--through-sidecars",
                                      "--listener", "admin:=6", "--port", "web.sidecar=3501"}));
}

}  // namespace
}  // namespace trilby::app
