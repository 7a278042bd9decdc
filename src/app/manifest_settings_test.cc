#include "app/manifest_settings.h"

#include <gtest/gtest.h>

namespace trilby::app {
namespace {

Manifest manifest() {
  return parse_manifest("trilby = 1\n[app.web]\nport = 8080\npublic = '0.0.0.0:80'\n[app.images]\nport = 9004\n",
                        "/s/t.toml")
      .value();
}

Result<void> override_port(Manifest& target, std::string_view text) {
  TRILBY_ASSIGN(const PortOverride change, parse_port_override(text, Origin::Flag, "--port"));
  return apply(target, {change});
}

TEST(PortOverride, ReplacesThePortAndIsRemembered) {
  Manifest target = manifest();
  ASSERT_TRUE(override_port(target, "web=0"));
  ASSERT_TRUE(override_port(target, "web.public=0"));
  EXPECT_EQ(target.apps[0].port, 0);
  EXPECT_EQ(format(target.apps[0].public_address.value()), "0.0.0.0:0");
  EXPECT_EQ(target.origins.at("app.web.port").origin, Origin::Flag);
  EXPECT_EQ(target.origins.at("app.images.port").origin, Origin::Manifest);
}

TEST(PortOverride, SaysWhereASidecarIs) {
  Manifest target = manifest();
  ASSERT_TRUE(override_port(target, "web.sidecar=3505"));
  EXPECT_EQ(target.apps[0].sidecar.value().http, 3505);
  EXPECT_FALSE(target.apps[1].sidecar);
  EXPECT_EQ(target.origins.at("app.web.sidecar.http").origin, Origin::Flag);
  EXPECT_EQ(override_port(target, "wbe.sidecar=1").error().message,
            "--port wbe.sidecar=1: there is no app \"wbe\" in /s/t.toml; did you mean \"web\"?");
}

TEST(PortOverride, TheLastOneWins) {
  Manifest target = manifest();
  ASSERT_TRUE(apply(target, {parse_admin_port("1", Origin::Environment, "TRILBY_ADMIN_PORT").value(),
                             parse_admin_port("2", Origin::Flag, "--admin-port").value()}));
  EXPECT_EQ(target.admin.port, 2);
  EXPECT_EQ(target.origins.at("admin.listen").origin, Origin::Flag);
}

TEST(PortOverride, SaysWhatIsWrong) {
  Manifest target = manifest();
  for (const std::string text : {"", "web", "web=", "web=x", "web=65536", "=80", "web=80 ", "web=-1", ".public=1"}) {
    EXPECT_EQ(override_port(target, text).error().message,
              "--port: \"" + text + "\" is not APP=N with N from 0 (any free port) to 65535, as in web=8080");
  }
  EXPECT_EQ(override_port(target, "wbe=1").error().message,
            "--port wbe=1: there is no app \"wbe\" in /s/t.toml; did you mean \"web\"?");
  EXPECT_EQ(override_port(target, "images.public=1").error().message,
            "--port images.public=1: app \"images\" has no public address in /s/t.toml");
  EXPECT_EQ(parse_admin_port("none", Origin::Environment, "TRILBY_ADMIN_PORT").error().message,
            "TRILBY_ADMIN_PORT: \"none\" is no port from 0 (any free one) to 65535");
}

TEST(PortOverride, MayNotMakeTwoListenersShareAPort) {
  Manifest target = manifest();
  EXPECT_TRUE(check_addresses(target));
  ASSERT_TRUE(override_port(target, "images=8080"));
  EXPECT_EQ(check_addresses(target).error().message,
            "app.images.port: port 8080 is taken by app.web.port (line 3); give each its own");
}

std::string find(const std::vector<Setting>& settings, std::string_view wanted) {
  for (const Setting& setting : settings) {
    if (setting.name == wanted) {
      return fmt::format("{} from {}, line {}", setting.value, name(setting.stated.origin), setting.stated.source.line);
    }
  }
  return "not there";
}

TEST(SettingsInForce, SayWhereEachValueCameFrom) {
  Manifest target = parse_manifest(R"(trilby = 1
[app.web]
port = 8080
[[app.web.route]]
method = "POST"
path = "/a/*"
header = { api = "go", x = "y" }
function = "f"
[function.f]
module = "f.wasm"
[function.f.limits]
cpu = "2s"
[function.f.allow]
models = ["b", "a"]
[model.a]
path = "a.xml"
[model.b]
path = "b.xml"
threads = 2
)",
                                   "/s/t.toml")
                        .value();
  ASSERT_TRUE(override_port(target, "web=9000"));
  const std::vector<Setting> settings = settings_in_force(target);
  EXPECT_EQ(find(settings, "admin.listen"), "127.0.0.1:9464 from default, line 0");
  EXPECT_EQ(find(settings, "worker.lockdown"), "auto from default, line 0");
  EXPECT_EQ(find(settings, "worker.scheduling"), "normal from default, line 0");
  EXPECT_EQ(find(settings, "server.body_rate"), "8KiB from default, line 0");
  EXPECT_EQ(find(settings, "app.web.port"), "9000 from flag, line 0");
  EXPECT_EQ(find(settings, "app.web.route[1]"), "POST /a/* (api: go, x: y) -> function f from manifest, line 4");
  EXPECT_EQ(find(settings, "function.f.module"), "/s/f.wasm from manifest, line 10");
  EXPECT_EQ(find(settings, "function.f.limits.cpu"), "2s from manifest, line 12");
  EXPECT_EQ(find(settings, "function.f.limits.memory"), "64MiB from default, line 0");
  EXPECT_EQ(find(settings, "function.f.allow.models"), "a, b from manifest, line 14");
  EXPECT_EQ(find(settings, "model.a.threads"), "1 from default, line 0");
  EXPECT_EQ(find(settings, "model.b.threads"), "2 from manifest, line 19");
}

TEST(ManifestSettings, LoopsLetOthersGoOnWhereNothingButASidecarComputesBesideThem) {
  const auto scheduling = [](const std::string& app, const std::string& function = "", const std::string& more = "") {
    const auto manifest = parse_manifest(
        "trilby = 1\n" + more + "[app.web]\nport = 1\n" + app + "\n[function.f]\nmodule = \"f.wasm\"\n" + function,
        "/s/t.toml");
    return manifest ? name(scheduling_in_force(*manifest)) : std::string_view("");
  };
  const std::string beside = "sidecar = {}\n";
  const std::string topic = "[[app.web.topic]]\npubsub = \"p\"\ntopic = \"t\"\nfunction = \"f\"\n";
  const std::string job = "[[app.web.job]]\nname = \"j\"\nfunction = \"f\"\n";
  EXPECT_EQ(scheduling(""), "normal");
  EXPECT_EQ(scheduling(beside), "batch");
  EXPECT_EQ(scheduling(topic), "batch");
  EXPECT_EQ(scheduling(job), "batch");
  EXPECT_EQ(scheduling(beside, "[function.f.limits]\nmemory = \"128MiB\"\n"), "batch");
  EXPECT_EQ(scheduling(beside, "[function.f.limits]\nmemory = \"129MiB\"\n"), "normal") << "a loop of its own";
  EXPECT_EQ(scheduling(beside, "[function.f.allow]\ndirectories = { \"/d\" = \"d\" }\n"), "normal");
  EXPECT_EQ(scheduling(beside, "", "[model.m]\npath = \"m.xml\"\n"), "normal") << "a model's threads";
  EXPECT_EQ(scheduling("", "", "[worker]\nscheduling = \"batch\"\n"), "batch");
  EXPECT_EQ(scheduling(beside, "", "[worker]\nscheduling = \"normal\"\n"), "normal");
}
}  // namespace
}  // namespace trilby::app
