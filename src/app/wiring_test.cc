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
  const wasm::EngineSettings settings = make_engine_settings(manifest);
  EXPECT_EQ(settings.max_memory, Bytes{32U << 20U});
  EXPECT_EQ(settings.max_calls, 7U);
  manifest.functions.clear();
  EXPECT_GE(make_engine_settings(manifest).max_calls, 1U);
  EXPECT_GE(make_engine_settings(manifest).max_memory, Bytes{64U << 10U});
}

TEST_F(Wiring, BoundsThePoolHoweverManyCallsAreAllowed) {
  Function greedy = manifest.functions.front();
  greedy.policy.limits.concurrency = 1000;
  manifest.functions.assign(100, greedy);
  EXPECT_EQ(make_engine_settings(manifest).max_calls, wasm::kMaxLiveCalls);
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

}  // namespace
}  // namespace trilby::app
