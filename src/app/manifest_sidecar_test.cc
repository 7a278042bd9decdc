#include "app/manifest_sidecar.h"

#include <set>

#include <gtest/gtest.h>

#include "app/manifest_settings.h"

namespace trilby::app {
namespace {

Result<Manifest> parse(const std::string& text) {
  return parse_manifest("trilby = 1\n" + text, "t.toml");
}
std::string problems_with(const std::string& text) {
  const auto manifest = parse(text);
  return manifest ? "nothing" : manifest.error().message;
}

TEST(SidecarSettings, AreRead) {
  const auto manifest = parse(
      "[app.a]\nport = 1\nsidecar = { http = 3501, timeout = '2s', max_body = '1MiB', retry_store = 's' }\n"
      "[app.b]\nport = 2\n[app.b.sidecar]\n[app.c]\nport = 3\n");
  ASSERT_TRUE(manifest) << manifest.error().message;
  ASSERT_TRUE(manifest->apps[0].sidecar);
  EXPECT_EQ(manifest->apps[0].sidecar->http, 3501);
  EXPECT_EQ(manifest->apps[0].sidecar->timeout, std::chrono::seconds(2));
  EXPECT_EQ(manifest->apps[0].sidecar->max_body, Bytes{1U << 20U});
  EXPECT_EQ(manifest->apps[0].sidecar->retry_store, "s");
  ASSERT_TRUE(manifest->apps[1].sidecar);
  EXPECT_EQ(manifest->apps[1].sidecar->http, 3500) << "where Dapr's own SDKs look";
  EXPECT_FALSE(manifest->apps[2].sidecar);
}

TEST(SidecarSettings, ThatAreWrongAreToldWithTheMend) {
  const std::string app = "[app.a]\nport = 1\nsidecar = ";
  EXPECT_EQ(problems_with(app + "{ http = -1 }"), "t.toml:4: app.a.sidecar.http: must be between 0 and 65535, not -1");
  EXPECT_EQ(problems_with(app + "{ timeout = '1ms' }"),
            "t.toml:4: app.a.sidecar.timeout: must be between 100ms and 10m, not 1ms");
  EXPECT_EQ(problems_with(app + "{ max_body = '1GiB' }"),
            "t.toml:4: app.a.sidecar.max_body: must be between 64KiB and 64MiB, not 1GiB");
  EXPECT_EQ(problems_with(app + "{ htp = 1 }"),
            "t.toml:4: app.a.sidecar.htp: there is no such field; did you mean \"http\"?");
}

TEST(SidecarSettings, GiveEachAppASidecarOfItsOwn) {
  EXPECT_EQ(problems_with("[app.a]\nport = 1\nsidecar = {}\n[app.b]\nport = 2\nsidecar = {}"),
            "t.toml:7: app.b.sidecar.http: port 3500 is the sidecar of a; each app has a sidecar of its own, which has "
            "its app-id");
  EXPECT_EQ(problems_with("[app.a]\nport = 3500\nsidecar = {}"),
            "t.toml:4: app.a.sidecar.http: port 3500 is Trilby's own: app.a.port");
  EXPECT_EQ(problems_with("[app.a]\nport = 1\nsidecar = { http = 9464 }"),
            "t.toml:4: app.a.sidecar.http: port 9464 is Trilby's own: admin.listen");
  EXPECT_EQ(problems_with("[app.a]\nport = 0\nsidecar = { http = 0 }\n[app.b]\nport = 0\nsidecar = { http = 0 }"),
            "nothing")
      << "each has any free one";
}

/// What the sidecar is told of an app with these triggers.
std::string told(const std::string& triggers, const std::string& app = "") {
  const auto manifest = parse("[app.a]\nport = 1\n" + app + triggers + "[function.f]\nmodule = 'f.wasm'\n" +
                              "[function.g]\nmodule = 'g.wasm'\n");
  EXPECT_TRUE(manifest) << manifest.error().message;
  return told_at_start(manifest->apps[0]);
}
const std::string kTopic = "[[app.a.topic]]\npubsub = 'p'\ntopic = 't'\npath = '/t'\nfunction = 'f'\n";
const std::string kBinding = "[[app.a.binding]]\nname = 'b'\nfunction = 'f'\n";
const std::string kActor = "[[app.a.actor]]\ntype = 'T'\nfunction = 'f'\n";

TEST(ToldAtStart, IsEverythingThatASidecarAsks) {
  const std::set<std::string> all = {
      told(""),
      told(kTopic),
      told(kTopic + "match = 'true'\n"),
      told(kTopic + "dead_letter = 'd'\n"),
      told(kTopic + "bulk = {}\n"),
      told(kTopic + "bulk = { max_messages = 7 }\n"),
      told(kTopic + "bulk = { max_wait = '7ms' }\n"),
      told(kTopic + "raw = true\n"),
      told(kTopic + "metadata = { a = 'b' }\n"),
      told("[[app.a.topic]]\npubsub = 'p'\ntopic = 't'\nfunction = 'f'\n"),
      told("[[app.a.topic]]\npubsub = 'q'\ntopic = 't'\npath = '/t'\nfunction = 'f'\n"),
      told("[[app.a.topic]]\npubsub = 'p'\ntopic = 'u'\npath = '/t'\nfunction = 'f'\n"),
      told(kBinding),
      told(kBinding + "path = '/c'\n"),
      told("[[app.a.binding]]\nname = 'c'\npath = '/b'\nfunction = 'f'\n"),
      told(kActor),
      told(kActor + "idle_timeout = '1m'\n"),
      told(kActor + "drain_timeout = '1m'\n"),
      told(kActor + "reentrancy = {}\n"),
      told(kActor + "reentrancy = { max_depth = 7 }\n"),
      told("[[app.a.actor]]\ntype = 'U'\nfunction = 'f'\n"),
  };
  EXPECT_EQ(all.size(), 21) << "no two are the same";
}

TEST(ToldAtStart, IsTheOrderOfTheTriggersOfOneTopic) {
  const auto two = [](const std::string& first, const std::string& second) {
    return told("[[app.a.topic]]\npubsub = 'p'\ntopic = 't'\nfunction = '" + first + "'\nmatch = 'true'\n" +
                "[[app.a.topic]]\npubsub = 'p'\ntopic = 't'\nfunction = '" + second + "'\nmatch = 'true'\n");
  };
  EXPECT_NE(two("f", "g"), two("g", "f"));
}

TEST(ToldAtStart, IsNothingElse) {
  const std::string before = told(kTopic + kBinding + kActor);
  EXPECT_EQ(told(kActor + kBinding + kTopic), before) << "another order";
  EXPECT_EQ(told(kTopic + "on_failure = 'drop'\n" + kBinding + "on_bad_input = 'retry'\n" + kActor +
                 "on_deactivate = true\n"),
            before);
  EXPECT_EQ(told(kTopic + kBinding + kActor, "limits.queue = 7\nhealth = '/well'\n"), before);
  EXPECT_EQ(told(kTopic + kBinding + kActor +
                 "[[app.a.route]]\npath = '/x'\ntext = 'x'\n[[app.a.job]]\nname = 'j'\nfunction = 'f'\n" +
                 "[[app.a.configuration]]\nstore = 's'\nfunction = 'f'\n"),
            before)
      << "which Dapr does not ask for";
  const std::string other_function = "[[app.a.topic]]\npubsub = 'p'\ntopic = 't'\npath = '/t'\nfunction = 'g'\n";
  EXPECT_EQ(told(other_function + kBinding + kActor), before) << "at the same path";
}

/// What is wrong with the addresses once flags and environment are in force.
std::string clash(const std::vector<PortOverride>& overrides, const SidecarEnvironment& environment) {
  auto manifest =
      parse("[app.a]\nport = 1000\nsidecar = {}\n[app.b]\nport = 2000\nsidecar = { http = 3501 }\n").value();
  EXPECT_TRUE(apply(manifest, overrides));
  EXPECT_TRUE(apply(manifest, environment));
  const auto checked = check_addresses(manifest);
  return checked ? "nothing" : checked.error().message;
}

TEST(SidecarSettings, GiveEachAppASidecarOfItsOwnAlsoWithFlagsAndEnvironment) {
  const PortOverride flag{"app.b.sidecar.http", 3500, Origin::Flag, "--port b.sidecar=3500"};
  EXPECT_EQ(
      clash({flag}, {}),
      "app.b.sidecar.http: port 3500 is the sidecar of a; each app has a sidecar of its own, which has its app-id");
  EXPECT_EQ(clash({}, {"a", "1000", ""}), "app.a.sidecar.http: port 1000 is Trilby's own: app.a.port");
  EXPECT_EQ(clash({flag}, {"a", "4000", ""}), "nothing");
}

TEST(SidecarSettings, AreShownWithTheirOrigin) {
  auto manifest = parse("[app.a]\nport = 1\nsidecar = { timeout = '2s' }\n").value();
  ASSERT_TRUE(apply(manifest, SidecarEnvironment{"", "4000", ""}));
  std::string shown;
  for (const Setting& setting : settings_in_force(manifest)) {
    if (setting.name.find("sidecar") != std::string::npos) {
      shown += fmt::format("{} {} {}\n", setting.name, setting.value, name(setting.stated.origin));
    }
  }
  EXPECT_EQ(shown,
            "app.a.sidecar.http 4000 environment\napp.a.sidecar.timeout 2s manifest\napp.a.sidecar.max_body 4MiB "
            "default\napp.a.sidecar.retry_store  default\n");
}

/// Where the sidecars of apps are once the environment has been heard: "a 3500, b 3501".
std::string heard(const std::string& text, const SidecarEnvironment& environment) {
  auto manifest = parse(text).value();
  const auto applied = apply(manifest, environment);
  if (!applied) {
    return applied.error().message;
  }
  std::string out;
  for (const App& app : manifest.apps) {
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", app.id, app.sidecar ? app.sidecar->http : 0);
  }
  return out;
}

TEST(SidecarEnvironment, IsAboutTheAppThatItNamesOrTheOnlyOne) {
  const std::string one = "[app.a]\nport = 1\nsidecar = {}\n";
  const std::string two = one + "[app.b]\nport = 2\nsidecar = { http = 3501 }\n";
  EXPECT_EQ(heard(one, {}), "a 3500");
  EXPECT_EQ(heard(one, {"", "4000", ""}), "a 4000");
  EXPECT_EQ(heard(one, {"other", "4000", ""}), "a 3500");
  EXPECT_EQ(heard(two, {"", "4000", ""}), "a 3500, b 3501") << "whose would it be?";
  EXPECT_EQ(heard(two, {"b", "4000", ""}), "a 3500, b 4000");
  EXPECT_EQ(heard("[app.a]\nport = 1\n", {"", "nonsense", ""}), "a 0") << "it needs none";
}

TEST(SidecarEnvironment, NamesOnlyWhatIsOnThisMachine) {
  const std::string one = "[app.a]\nport = 1\nsidecar = {}\n";
  EXPECT_EQ(heard(one, {"", "4000", "http://127.0.0.1:4001"}), "a 4001");
  EXPECT_EQ(heard(one, {"", "", "http://localhost:4001/"}), "a 4001");
  EXPECT_EQ(heard(one, {"", "", "http://localhost"}), "a 80");
  for (const char* endpoint : {"https://127.0.0.1:1", "http://10.0.0.1:3500", "http://[::1]:3500", "127.0.0.1:1",
                               "http://localhost:", "http://localhost:0", "http://localhost:70000",
                               "http://localhost:1/x", "http://localhost.example.com:1"}) {
    EXPECT_TRUE(heard(one, {"", "4000", endpoint}).starts_with("DAPR_HTTP_ENDPOINT: ")) << endpoint;
  }
  EXPECT_EQ(heard(one, {"", "0", ""}), "DAPR_HTTP_PORT: \"0\" is no port from 1 to 65535");
}

}  // namespace
}  // namespace trilby::app
