#include "app/dapr_environment.h"

#include <cstdlib>
#include <utility>

#include <gtest/gtest.h>

namespace trilby::app {
namespace {

class DaprEnvironmentTest : public testing::Test {
 protected:
  DaprEnvironmentTest() { clear(); }
  ~DaprEnvironmentTest() override { clear(); }
  static void clear() {
    for (const char* name : {"APP_ID", "APP_PORT", "APP_PROTOCOL"}) {
      unsetenv(name);
    }
  }
  static std::string error() { return read_dapr_environment().error().message; }
};

TEST_F(DaprEnvironmentTest, IsWhatDaprRunGives) {
  setenv("APP_ID", "image-api-rs", 1);
  setenv("APP_PORT", "9004", 1);
  setenv("APP_PROTOCOL", "http", 1);
  const DaprEnvironment told = read_dapr_environment().value();
  EXPECT_EQ(told.app_id, "image-api-rs");
  EXPECT_EQ(told.app_port, 9004);
}

TEST_F(DaprEnvironmentTest, MayBeAbsentOrEmpty) {
  setenv("APP_PORT", "", 1);
  setenv("APP_PROTOCOL", "", 1);
  const DaprEnvironment told = read_dapr_environment().value();
  EXPECT_EQ(told.app_id, "");
  EXPECT_EQ(told.app_port, std::nullopt);
}

TEST_F(DaprEnvironmentTest, SaysWhichVariableIsWrong) {
  for (const char* const wrong : {"0", "-1", "65536", "9004 x", "x"}) {
    setenv("APP_PORT", wrong, 1);
    EXPECT_EQ(error(), "APP_PORT: \"" + std::string(wrong) + "\" is no port from 1 to 65535");
  }
  setenv("APP_PORT", "8\n0", 1);
  EXPECT_EQ(error(),
            "APP_PORT: \"8\xEF\xBF\xBD"
            "0\" is no port from 1 to 65535");
}

TEST_F(DaprEnvironmentTest, SaysWhatTheSidecarWillSpeak) {
  EXPECT_EQ(read_dapr_environment()->protocol, std::nullopt);
  const std::pair<const char*, Protocol> known[] = {
      {"http", Protocol::Http}, {"h2c", Protocol::Http},    {"https", Protocol::Https},
      {"grpc", Protocol::Grpc}, {"grpcs", Protocol::Grpcs},
  };
  for (const auto& [name, protocol] : known) {
    setenv("APP_PROTOCOL", name, 1);
    EXPECT_EQ(read_dapr_environment()->protocol, protocol) << name;
  }
}

TEST_F(DaprEnvironmentTest, RefusesWhatAppChannelsDoNotSpeak) {
  for (const char* const wrong : {"HTTP", "tcp", "h2"}) {
    setenv("APP_PROTOCOL", wrong, 1);
    EXPECT_EQ(error(), "APP_PROTOCOL: app channels speak http, https, h2c, grpc and grpcs, not \"" +
                           std::string(wrong) + "\"\ntry: dapr run --app-protocol h2c");
  }
}

TEST(ChooseApp, TakesWhatIsAskedForOrElseWhatDaprNames) {
  EXPECT_EQ(choose_app("web", {}).value(), "web");
  EXPECT_EQ(choose_app("", {"web", {}, {}}).value(), "web");
  EXPECT_EQ(choose_app("web", {"web", {}, {}}).value(), "web");
}

TEST(ChooseApp, WantsOneName) {
  EXPECT_EQ(choose_app("", {}).error().reason, Reason::BadRequest);
  EXPECT_EQ(choose_app("web", {"images", {}, {}}).error().message,
            "the app to be served is \"web\", but its sidecar is that of \"images\" (APP_ID)\n"
            "try: dapr run --app-id web");
}

}  // namespace
}  // namespace trilby::app
