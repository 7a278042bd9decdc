#include "app/manifest_selection.h"

#include <algorithm>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

namespace trilby::app {
namespace {

Manifest manifest() {
  return parse_manifest(R"(
trilby = 1
[app.web]
port = 8080
[[app.web.route]]
path = "/"
function = "page"
[[app.web.route]]
path = "/gray"
invoke = "images/gray"
[app.images]
port = 9004
[[app.images.route]]
path = "/gray"
function = "gray"
[[app.images.topic]]
pubsub = "p"
topic = "t"
function = "event"
[[app.images.binding]]
name = "b"
function = "bound"
[[app.images.job]]
name = "j"
function = "job"
[[app.images.configuration]]
store = "c"
function = "setting"
[function.page]
module = "page.wasm"
allow.models = ["food"]
[function.gray]
module = "gray.wasm"
allow.models = ["light"]
allow.secrets = ["key"]
[function.event]
module = "event.wasm"
[function.bound]
module = "event.wasm"
[function.job]
module = "event.wasm"
[function.setting]
module = "event.wasm"
[function.idle]
module = "idle.wasm"
[model.food]
path = "food.xml"
[model.light]
path = "light.xml"
[secret.key]
env = "KEY"
[secret.other]
env = "OTHER"
)",
                        "/s/t.toml")
      .value();
}

template <typename Named>
std::string names(const std::vector<Named>& all) {
  std::string out;
  std::for_each(all.begin(), all.end(), [&](const Named& one) { out += one.name + " "; });
  return out;
}

TEST(KeepOnly, LeavesWhatTheAppNeeds) {
  Manifest one = manifest();
  ASSERT_TRUE(keep_only(one, "images"));
  ASSERT_EQ(one.apps.size(), 1U);
  EXPECT_EQ(one.apps.front().id, "images");
  EXPECT_EQ(names(one.functions), "gray event bound job setting ");
  EXPECT_EQ(names(one.models), "light ");
  EXPECT_EQ(names(one.secrets), "key ");
}

TEST(KeepOnly, LeavesRoutesToAppsThatAreNotServedHere) {
  Manifest one = manifest();
  ASSERT_TRUE(keep_only(one, "web"));
  EXPECT_EQ(one.apps.front().routes.size(), 2U);
  EXPECT_EQ(names(one.functions), "page ");
  EXPECT_EQ(names(one.models), "food ");
  EXPECT_EQ(names(one.secrets), "");
}

TEST(KeepOnly, GivesTheAppASidecar) {
  Manifest one = manifest();
  ASSERT_TRUE(keep_only(one, "web"));
  EXPECT_EQ(one.apps.front().sidecar.value().http, 3500);
  Manifest other = manifest();
  other.apps.back().sidecar.emplace().http = 3502;
  ASSERT_TRUE(keep_only(other, "images"));
  EXPECT_EQ(other.apps.front().sidecar.value().http, 3502);
}

TEST(KeepOnly, SaysWhichAppsThereAreAndChangesNothing) {
  Manifest whole = manifest();
  const auto none = keep_only(whole, "image");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().reason, Reason::BadRequest);
  EXPECT_EQ(none.error().message, R"(there is no app "image" in /s/t.toml; did you mean "images"?)");
  EXPECT_EQ(whole.apps.size(), 2U);
  EXPECT_EQ(whole.functions.size(), 7U);
}

TEST(SetProtocol, StandsAboveTheManifest) {
  Manifest one = manifest();
  ASSERT_TRUE(keep_only(one, "images"));
  ASSERT_TRUE(set_protocol(one, Protocol::Grpc));
  EXPECT_EQ(one.apps.front().protocol, Protocol::Grpc);
  EXPECT_EQ(one.origins.at("app.images.protocol").origin, Origin::Environment);
  ASSERT_TRUE(set_protocol(one, Protocol::Http));
  EXPECT_EQ(one.apps.front().protocol, Protocol::Http);
}

TEST(SetProtocol, NeedsACertificateForTls) {
  Manifest one = manifest();
  ASSERT_TRUE(keep_only(one, "images"));
  for (const Protocol protocol : {Protocol::Https, Protocol::Grpcs}) {
    const auto set = set_protocol(one, protocol);
    ASSERT_FALSE(set);
    EXPECT_EQ(set.error().reason, Reason::Manifest);
    EXPECT_NE(set.error().message.find(" which needs a certificate and its key\n"), std::string::npos);
    EXPECT_EQ(one.apps.front().protocol, Protocol::Http);
  }
  one.apps.front().tls.emplace();
  EXPECT_TRUE(set_protocol(one, Protocol::Grpcs));
  EXPECT_EQ(one.apps.front().protocol, Protocol::Grpcs);
}

TEST(SetProtocol, RefusesBindingsThatGrpcCannotTellApart) {
  Manifest one = manifest();
  ASSERT_TRUE(keep_only(one, "images"));
  one.apps.front().bindings.push_back(one.apps.front().bindings.front());
  one.apps.front().bindings.back().path = "/another";
  EXPECT_EQ(set_protocol(one, Protocol::Grpc).error().message,
            "app.images.binding: two have the name \"b\", and over gRPC (APP_PROTOCOL) Dapr says nothing but that");
  EXPECT_EQ(one.apps.front().protocol, Protocol::Http);
  EXPECT_TRUE(set_protocol(one, Protocol::Http));
}

TEST(SetProtocol, RefusesActorsOverGrpc) {
  Manifest one =
      parse_manifest(
          "trilby = 1\n[function.f]\nmodule = 'f'\n[app.a]\nport = 1\n[[app.a.actor]]\ntype = 'C'\nfunction = 'f'\n",
          "t.toml")
          .value();
  EXPECT_EQ(set_protocol(one, Protocol::Grpc).error().message,
            "app.a.actor: over gRPC (APP_PROTOCOL), Dapr calls no actors on an app's port; try: dapr run "
            "--app-protocol h2c");
  EXPECT_TRUE(set_protocol(one, Protocol::Http));
}

}  // namespace
}  // namespace trilby::app
