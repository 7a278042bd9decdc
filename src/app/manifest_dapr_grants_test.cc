#include "app/manifest_dapr_grants.h"

#include <gtest/gtest.h>

#include "app/manifest_settings.h"

namespace trilby::app {
namespace {

constexpr std::string_view kApp = R"(trilby = 1
[app.shop]
port = 1
sidecar = { http = 3500 }
[[app.shop.route]]
path = "/"
function = "f"
)";

/// A manifest with one app that calls one function, whose table goes on with `more` on line 10.
Result<Manifest> parse(std::string_view more, std::string_view app = kApp) {
  return parse_manifest(fmt::format("{}[function.f]\nmodule = \"f.wasm\"\n{}", app, more), "/m/trilby.toml");
}
std::string error_of(std::string_view more, std::string_view app = kApp) {
  const auto manifest = parse(more, app);
  return manifest ? "it was accepted" : manifest.error().message;
}

TEST(ManifestDaprGrants, AreNothingUnlessNamed) {
  const Manifest manifest = parse("").value();
  EXPECT_TRUE(manifest.functions[0].policy.grants.dapr.empty());
}

TEST(ManifestDaprGrants, AreReadAndTold) {
  const Manifest manifest = parse(R"([function.f.allow.dapr]
invoke = ["billing/orders/*"]
publish = ["broker/orders", "broker/audit"]
bindings = ["mail/create"]
secrets = ["vault/db"]
actors = ["Counter/*"]
configuration = ["settings/limit-*"]
locks = ["locks/order-*"]
jobs = ["remind-*", "daily"]
state = { "store/order-*" = "read-write", "store/settings" = "read-only", "log/*" = "write-only" }
)")
                                .value();
  const policy::DaprGrants& grants = manifest.functions[0].policy.grants.dapr;
  EXPECT_TRUE(policy::is_granted(grants.invoke, "billing/orders/7"));
  EXPECT_FALSE(policy::is_granted(grants.invoke, "billing/refund"));
  EXPECT_TRUE(policy::is_granted(grants.publish, "broker/audit"));
  EXPECT_TRUE(policy::is_granted(grants.bindings, "mail/create"));
  EXPECT_TRUE(policy::is_granted(grants.secrets, "vault/db"));
  EXPECT_TRUE(policy::is_granted(grants.actors, "Counter/add"));
  EXPECT_FALSE(policy::is_granted(grants.actors, "Other/add"));
  EXPECT_TRUE(policy::is_granted(grants.configuration, "settings/limit-7"));
  EXPECT_FALSE(policy::is_granted(grants.configuration, "settings/other"));
  EXPECT_TRUE(policy::is_granted(grants.locks, "locks/order-7"));
  EXPECT_FALSE(policy::is_granted(grants.locks, "settings/limit-7"));
  EXPECT_TRUE(policy::is_granted(grants.jobs, "daily"));
  EXPECT_FALSE(policy::is_granted(grants.jobs, "daily-7"));
  EXPECT_TRUE(policy::may_write_state(grants, "store/order-1"));
  EXPECT_FALSE(policy::may_write_state(grants, "store/settings"));
  EXPECT_FALSE(policy::may_read_state(grants, "log/1"));
  EXPECT_EQ(
      describe_grants(manifest.functions[0]),
      "invoke billing/orders/*; publish broker/audit, broker/orders; bindings mail/create; Dapr secrets vault/db; "
      "actors Counter/*; configuration settings/limit-*; locks locks/order-*; jobs daily, remind-*; state log/* "
      "(write-only), store/order-* (read-write), store/settings (read-only)");
}

TEST(ManifestDaprGrants, ThatAreNoneAreTold) {
  EXPECT_EQ(error_of("allow.dapr.publish = [\"broker\"]"),
            "/m/trilby.toml:10: function.f.allow.dapr.publish: \"broker\" lacks a '/', as in \"pubsub/orders\"");
  EXPECT_EQ(error_of("allow.dapr.invoke = [\"a/../b\"]"),
            "/m/trilby.toml:10: function.f.allow.dapr.invoke: \"a/../b\" must have 1 to 256 letters, digits, "
            "'-._~:@+=,' and single '/' behind its name, as in \"billing/orders/*\"");
  EXPECT_EQ(error_of("allow.dapr.jobs = [\"jobs/daily\"]"),
            "/m/trilby.toml:10: function.f.allow.dapr.jobs: \"jobs/daily\" must be 1 to 128 letters, digits and "
            "'-._', with a '*' behind them or not, as in \"remind-*\"");
  EXPECT_NE(error_of("allow.dapr.locks = [\"order-7\"]").find("lacks a '/'"), std::string::npos);
  EXPECT_NE(error_of("allow.dapr.configuration = [\"settings/a/b\"]").find("behind its first '/'"), std::string::npos);
  EXPECT_EQ(error_of("allow.dapr.secrets = [7]"),
            "/m/trilby.toml:10: function.f.allow.dapr.secrets: must be a list of names in quotes, as in "
            "[\"vault/db-password\"]");
  EXPECT_EQ(error_of(R"(allow.dapr.state = { "store/a" = "read" })"),
            "/m/trilby.toml:10: function.f.allow.dapr.state.store/a: \"read\" is none of \"read-only\", \"read-write\" "
            "and \"write-only\"; known: read-only, read-write, write-only");
  EXPECT_NE(error_of(R"(allow.dapr.state = { "store/a" = "read-onyl" })").find("did you mean \"read-only\"?"),
            std::string::npos);
  EXPECT_NE(error_of(R"(allow.dapr.state = { "store" = "read-only" })").find("lacks a '/'"), std::string::npos);
  EXPECT_EQ(error_of("allow.dapr.publsh = []"),
            "/m/trilby.toml:10: function.f.allow.dapr.publsh: there is no such field; did you mean \"publish\"?");
  EXPECT_EQ(error_of("allow.dapr = true"),
            "/m/trilby.toml:10: function.f.allow.dapr: must be a table, not true or false");
}

TEST(ManifestDaprGrants, OfTooManyThingsAreRefused) {
  std::string list;
  for (int i = 0; i < 65; ++i) {
    list += fmt::format("\"broker/{}\", ", i);
  }
  EXPECT_NE(error_of(fmt::format("allow.dapr.publish = [{}]", list)).find("has 65 entries; the most is 64"),
            std::string::npos);
}

TEST(ManifestDaprGrants, NeedASidecarUnlessTheyOnlyInvokeAppsOfTheManifest) {
  constexpr std::string_view kNoSidecar =
      "trilby = 1\n[app.shop]\nport = 1\n[[app.shop.route]]\npath = \"/\"\nfunction = \"f\"\n[app.billing]\nport = 2\n";
  EXPECT_EQ(error_of("allow.dapr.invoke = [\"billing/pay\"]", kNoSidecar), "it was accepted");
  constexpr std::string_view kSays =
      "/m/trilby.toml:9: function.f.allow.dapr: needs the sidecar of app shop, which calls it; say where it is, as in "
      "[app.shop] sidecar = { http = 3500 }";
  EXPECT_EQ(error_of("allow.dapr.invoke = [\"elsewhere/pay\"]", kNoSidecar), kSays);
  EXPECT_EQ(error_of("allow.dapr.publish = [\"broker/orders\"]", kNoSidecar), kSays);
}

TEST(ManifestDaprGrants, NeedSidecarsOnBothSidesOnALoopOfTheirOwnWhereNoAppIsServed) {
  const std::string_view grant = "allow.dapr.invoke = [\"billing/pay\"]\nlimits.memory = \"256MiB\"";
  const auto apps = [](const char* shop, const char* billing) {
    return fmt::format(
        "trilby = 1\n[app.shop]\nport = 1\n{}\n[[app.shop.route]]\npath = \"/\"\nfunction = \"f\"\n[app.billing]\n"
        "port = 2\n{}\n",
        shop, billing);
  };
  EXPECT_EQ(error_of(grant, apps("sidecar = { http = 3500 }", "sidecar = { http = 3501 }")), "it was accepted");
  EXPECT_EQ(error_of(grant, apps("", "sidecar = { http = 3501 }")),
            "/m/trilby.toml:11: function.f.allow.dapr: needs the sidecar of app shop, which calls it; say where it is, "
            "as in [app.shop] sidecar = { http = 3500 }");
  EXPECT_EQ(error_of(grant, apps("sidecar = { http = 3500 }", "")),
            "/m/trilby.toml:11: function.f.allow.dapr.invoke: needs a sidecar of app billing: with directories or more "
            "than 128 MiB of memory it reaches that through sidecars; say where it is, as in [app.billing] sidecar = { "
            "http = 3500 }");
}

TEST(ManifestDaprGrants, GoTogetherWithLoopsOfTheirOwn) {
  EXPECT_EQ(error_of("allow.dapr.publish = [\"broker/orders\"]\nlimits.memory = \"256MiB\""), "it was accepted");
  EXPECT_EQ(error_of("allow.dapr.publish = [\"broker/orders\"]\nallow.directories = { \"/data\" = \"data\" }"),
            "it was accepted");
}

}  // namespace
}  // namespace trilby::app
