#include "app/wiring.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "app/wiring_routes.h"

namespace trilby::app {
namespace {

constexpr std::string_view kText = R"(
trilby = 1
[app.web]
port = 8080
[[app.web.route]]
path = "/static/*"
files = "web"
[[app.web.route]]
method = "POST"
path = "/api"
header = { api = "go" }
invoke = "api/f"
[[app.web.route]]
method = "POST"
path = "/api"
text = "other"
[app.api]
port = 9004
[[app.api.route]]
path = "/f"
function = "f"
[function.f]
module = "f.wasm"
[function.f.limits]
memory = "32MiB"
request_body = "1KiB"
concurrency = 7
)";

class Wiring : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "wiring-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder = name;
    std::filesystem::create_directory(folder / "web");
    std::ofstream(folder / "web/index.html") << "page";
    manifest = parse_manifest(kText, folder / "trilby.toml").value();
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  [[nodiscard]] Result<std::vector<AppRoutes>> routes() const {
    return make_routes(manifest, make_labels(manifest), [](std::string_view) { return nullptr; });
  }

  std::filesystem::path folder;
  Manifest manifest;
};

TEST_F(Wiring, MakesRoomForWhatTheFunctionsMayUse) {
  const auto settings = make_engine_settings(manifest);
  ASSERT_EQ(settings.size(), 1U);
  EXPECT_EQ(settings[0].max_memory, Bytes{32U << 20U});
  EXPECT_EQ(settings[0].max_calls, 7U);
  EXPECT_EQ(settings[0].max_table_elements, 100'000U);
  EXPECT_EQ(settings[0].stack, Bytes{512U << 10U});
  EXPECT_EQ(Pools(manifest).places(settings[0].stack), nullptr) << "there is one for every call";
  manifest.functions.clear();
  ASSERT_EQ(make_engine_settings(manifest).size(), 1U);
  EXPECT_GE(make_engine_settings(manifest)[0].max_calls, 1U);
  EXPECT_GE(make_engine_settings(manifest)[0].max_memory, Bytes{64U << 10U});
}

TEST_F(Wiring, MakesAnEngineForEachSizeOfStack) {
  Function deep = manifest.functions.front();
  deep.policy.limits.stack = Bytes{1U << 20U};
  deep.policy.limits.memory = Bytes{1U << 20U};
  deep.policy.limits.table_elements = 5;
  deep.policy.limits.concurrency = 3;
  manifest.functions.push_back(deep);
  manifest.functions.push_back(deep);
  const auto settings = make_engine_settings(manifest);
  ASSERT_EQ(settings.size(), 2U);
  EXPECT_EQ(settings[1].stack, Bytes{1U << 20U});
  EXPECT_EQ(settings[1].max_memory, Bytes{1U << 20U});
  EXPECT_EQ(settings[1].max_table_elements, 5U);
  EXPECT_EQ(settings[1].max_calls, 6U);
}

TEST_F(Wiring, BoundsAnAppWhereItsFunctionsDoNot) {
  const auto gate_of_api = [&] {
    const auto made = routes();
    return std::get<triggers::FunctionTarget>(made->back().table->find("PUT", "/f", {})->target).app;
  };
  manifest.apps[1].limits.concurrency = 7;
  EXPECT_EQ(gate_of_api(), nullptr) << "its only function has no more";
  manifest.apps[1].limits.concurrency = 6;
  const auto gate = gate_of_api();
  ASSERT_NE(gate, nullptr);
  std::vector<invoke::Admission::Slot> slots;
  for (int i = 0; i < 6; ++i) {
    slots.push_back(gate->try_enter());
    EXPECT_TRUE(slots.back());
  }
  EXPECT_FALSE(gate->try_enter());
}

TEST_F(Wiring, BoundsThePoolHoweverManyCallsAreAllowed) {
  Function greedy = manifest.functions.front();
  greedy.policy.limits.concurrency = 1000;
  manifest.functions.assign(100, greedy);
  const auto one = make_engine_settings(manifest);
  ASSERT_EQ(one.size(), 1U);
  EXPECT_EQ(one[0].max_calls, wasm::kMaxLiveCalls);
  EXPECT_NE(Pools(manifest).places(one[0].stack), nullptr) << "who finds none waits";
  manifest.functions.back().policy.limits.stack = Bytes{1U << 20U};
  const auto two = make_engine_settings(manifest);
  ASSERT_EQ(two.size(), 2U);
  EXPECT_EQ(two[0].max_calls, wasm::kMaxLiveCalls / 100 * 99);
  EXPECT_EQ(two[1].max_calls, wasm::kMaxLiveCalls / 100);
}

TEST_F(Wiring, TurnsRoutesIntoTables) {
  const auto made = routes();
  ASSERT_TRUE(made) << made.error().message;
  ASSERT_EQ(made->size(), 2U);
  const triggers::RouteTable& web = *made->front().table;
  EXPECT_TRUE(std::holds_alternative<triggers::FilesTarget>(web.find("GET", "/static/a", {})->target));
  EXPECT_TRUE(std::holds_alternative<triggers::InvokeTarget>(web.find("POST", "/api", {{"api", "go"}})->target));
  EXPECT_TRUE(std::holds_alternative<triggers::TextTarget>(web.find("POST", "/api", {})->target));
  const triggers::Route* function = made->back().table->find("PUT", "/f", {});
  ASSERT_NE(function, nullptr);
  EXPECT_EQ(std::get<triggers::FunctionTarget>(function->target).request_body, Bytes{1024});
}

TEST_F(Wiring, CountsRoutesThatLookTheSameTogether) {
  const SystemLabels labels = make_labels(manifest);
  EXPECT_EQ(labels.apps[0].routes[1], labels.apps[0].routes[2]);
  EXPECT_NE(labels.apps[0].unmatched, labels.apps[1].unmatched);
}

TEST_F(Wiring, RefusesFilesThatDoNotGoWithTheirPath) {
  std::get<FilesTarget>(manifest.apps[0].routes[0].target).root = folder / "web/index.html";
  const auto file = routes();
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().reason, Reason::Manifest);
  EXPECT_NE(file.error().message.find("trilby.toml:5: "), std::string::npos) << file.error().message;
  std::get<FilesTarget>(manifest.apps[0].routes[0].target).root = folder / "missing";
  EXPECT_FALSE(routes());
}

TEST_F(Wiring, MakesWhatDaprMayBring) {
  manifest = parse_manifest(R"(
trilby = 1
[app.a]
port = 1
protocol = "grpc"
health = "/up"
[[app.a.topic]]
pubsub = "p"
topic = "t"
match = "true"
function = "f"
dead_letter = "d"
[[app.a.topic]]
pubsub = "p"
topic = "u"
bulk = {}
function = "f"
[[app.a.topic]]
pubsub = "p"
topic = "t"
function = "g"
on_failure = "drop"
[[app.a.job]]
name = "j"
function = "g"
[function.f]
module = "f.wasm"
limits.request_body = "1KiB"
[function.g]
module = "g.wasm"
limits.concurrency = 3
)",
                            "t.toml")
                 .value();
  const SystemLabels labels = make_labels(manifest);
  const auto apps = make_routes(manifest, labels, [](std::string_view) { return nullptr; });
  ASSERT_TRUE(apps) << apps.error().message;
  const auto& settings = apps->at(0).triggers->settings();
  EXPECT_EQ(settings.health_path, "/up");
  EXPECT_EQ(
      settings.subscriptions,
      R"([{"pubsubname":"p","topic":"t","routes":{"rules":[{"match":"true","path":"/dapr/topic/p/t/f"}],)"
      R"("default":"/dapr/topic/p/t/g"},"deadLetterTopic":"d"},{"pubsubname":"p","topic":"u","routes":{"rules":[],)"
      R"("default":"/dapr/topic/p/u/f"},"bulkSubscribe":{"enabled":true,"maxMessagesCount":100,)"
      R"("maxAwaitDurationMs":1000}}])");
  EXPECT_EQ(apps->at(0).protocol, Protocol::Grpc);
  EXPECT_NE(settings.subscriptions_message.find("/dapr/topic/p/t/g"), std::string::npos);
  ASSERT_EQ(settings.triggers.size(), 4U);
  EXPECT_EQ(settings.triggers[0].event_limit, Bytes{2048 + 65536});
  EXPECT_EQ(settings.triggers[0].at_once, 16U);
  EXPECT_EQ(settings.triggers[2].at_once, 3U);
  EXPECT_EQ(settings.triggers[2].rules.failure, triggers::Verdict::Drop);
  EXPECT_EQ(settings.triggers[3].event_limit, manifest.functions[1].policy.limits.request_body);
  EXPECT_EQ(labels.labels.routes()[settings.triggers[0].label].route, "topic p/t");
  EXPECT_EQ(settings.triggers[0].label, settings.triggers[2].label);
  EXPECT_EQ(labels.labels.routes()[settings.triggers[3].label].route, "job j");
  EXPECT_EQ(labels.labels.routes()[settings.own_label].route, "dapr");
}

TEST(WiringOutputs, BecomeWhatTheTriggersSend) {
  constexpr std::string_view kOutputs = R"(
trilby = 1
[app.a]
port = 0
sidecar = { http = 3501, timeout = "2s", max_body = "1MiB" }
[[app.a.route]]
path = "/"
function = "f"
output = [{ state = "s", key = "{REQUEST_ID}" }]
[[app.a.topic]]
pubsub = "p"
topic = "t"
function = "f"
output = [{ publish = "p/u", attributes = { id = "{CE_ID}" } }, { invoke = "far/x" }, { state = "s", key = "k" }]
[app.b]
port = 0
[function.f]
module = "f.wasm"
)";
  const auto manifest = parse_manifest(kOutputs, "/m/t.toml").value();
  const SystemLabels labels = make_labels(manifest);
  EXPECT_EQ(labels.labels.outputs().size(), 3U) << "a store is one, whoever saves in it";
  auto apps = make_routes(manifest, labels, [](std::string_view) { return nullptr; });
  ASSERT_TRUE(apps) << apps.error().message;
  const auto& outputs = apps->at(0).triggers->settings().triggers.at(0).function.outputs;
  ASSERT_EQ(outputs->size(), 3U);
  EXPECT_EQ(std::get<triggers::PublishOutput>(outputs->at(0).what).topic, "u");
  EXPECT_EQ(std::get<triggers::PublishOutput>(outputs->at(0).what).attributes.at(0).second.names().at(0), "CE_ID");
  EXPECT_EQ(std::get<triggers::InvokeOutput>(outputs->at(1).what).path, "/x");
  EXPECT_EQ(outputs->at(1).name, "invoke far/x");
  EXPECT_EQ(labels.labels.outputs()[outputs->at(2).label].to, "s");
  const auto& route = std::get<triggers::FunctionTarget>(apps->at(0).table->routes().at(0).target);
  EXPECT_EQ(route.outputs->at(0).label, outputs->at(2).label);
  add_sidecars(manifest, "token", *apps);
  ASSERT_NE(apps->at(0).sidecar, nullptr);
  EXPECT_EQ(apps->at(0).sidecar->address.text(), "127.0.0.1:3501");
  EXPECT_EQ(apps->at(0).sidecar->token, "token");
  EXPECT_EQ(apps->at(0).sidecar->timeout, std::chrono::seconds(2));
  EXPECT_EQ(apps->at(0).sidecar->max_body, Bytes{1U << 20U});
  EXPECT_EQ(apps->at(1).sidecar, nullptr);
}

}  // namespace
}  // namespace trilby::app
