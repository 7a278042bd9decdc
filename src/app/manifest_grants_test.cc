#include "app/manifest_grants.h"

#include <string>

#include <gtest/gtest.h>

#include "app/manifest_settings.h"

namespace trilby::app {
namespace {

/// A manifest with one function, whose table goes on with `more` on line 4.
Result<Manifest> parse(const std::string& more) {
  return parse_manifest("trilby = 1\n[function.f]\nmodule = \"f.wasm\"\n" + more, "/m/trilby.toml");
}
std::string error_of(const std::string& more) {
  const auto manifest = parse(more);
  return manifest ? "it was accepted" : manifest.error().message;
}

TEST(ManifestGrants, AreNothingUnlessNamed) {
  const Manifest manifest = parse("").value();
  EXPECT_FALSE(manifest.functions[0].cgi);
  EXPECT_TRUE(manifest.functions[0].variables.empty());
  EXPECT_TRUE(manifest.functions[0].policy.grants.variables.empty());
  EXPECT_EQ(describe_grants(manifest.functions[0]), "nothing");
}

TEST(ManifestGrants, GiveVariablesAndPassVariables) {
  const Manifest manifest = parse(R"([function.f.env]
GREETING = "hello"
EMPTY = ""
[function.f.allow]
env = ["LANG", "TZ"])")
                                .value();
  const Function& function = manifest.functions[0];
  EXPECT_EQ(function.variables.at("GREETING"), "hello");
  EXPECT_EQ(function.variables.at("EMPTY"), "");
  EXPECT_EQ(function.policy.grants.variables.size(), 2U);
  EXPECT_EQ(describe_grants(function), "env LANG, TZ");
}

TEST(ManifestGrants, HaveOriginsInCheck) {
  const Manifest manifest = parse("output = \"cgi\"\n[function.f.env]\nA = \"1\"\n").value();
  bool found = false;
  for (const Setting& setting : settings_in_force(manifest)) {
    if (setting.name == "function.f.env.A") {
      found = true;
      EXPECT_EQ(setting.value, "1");
      EXPECT_EQ(setting.stated.origin, Origin::Manifest);
      EXPECT_EQ(setting.stated.source.line, 6U);
    }
    if (setting.name == "function.f.output") {
      EXPECT_EQ(setting.value, "cgi");
    }
    EXPECT_NE(setting.name, "function.f.content_type");
  }
  EXPECT_TRUE(found);
}

TEST(ManifestGrants, RefuseWhatIsNoVariable) {
  EXPECT_EQ(
      error_of("[function.f.env]\n\"A-B\" = \"1\"\n"),
      "/m/trilby.toml:5: function.f.env.A-B: a variable's name has 1 to 128 letters, digits and '_', and begins with "
      "no digit");
  EXPECT_EQ(error_of("[function.f.env]\nA = 1\n"),
            "/m/trilby.toml:5: function.f.env.A: must be a text in quotes, not a number");
  EXPECT_EQ(error_of("[function.f.env]\nA = \"a\\u0000b\"\n"),
            "/m/trilby.toml:5: function.f.env.A: must not contain a null character");
  EXPECT_EQ(error_of("[function.f.env]\nA = \"" + std::string(33'000, 'x') + "\"\n"),
            "/m/trilby.toml:5: function.f.env.A: has 33000 bytes; the most is 32768");
  EXPECT_EQ(
      error_of("[function.f.allow]\nenv = [\"1A\"]\n"),
      "/m/trilby.toml:5: function.f.allow.env: \"1A\": a variable's name has 1 to 128 letters, digits and '_', and "
      "begins with no digit");
  EXPECT_EQ(error_of("[function.f.allow]\nenv = [1]\n"),
            "/m/trilby.toml:5: function.f.allow.env: must be a list of names in quotes, as in [\"LANG\"]");
  EXPECT_EQ(error_of("[function.f.allow]\nenvv = []\n"),
            "/m/trilby.toml:5: function.f.allow.envv: there is no such field; did you mean \"env\"?");
}

TEST(ManifestGrants, PassNoTokenOfTheHosts) {
  EXPECT_EQ(error_of("[function.f.allow]\nenv = [\"DAPR_API_TOKEN\"]\n"),
            "/m/trilby.toml:5: function.f.allow.env: DAPR_API_TOKEN is the host's own and no guest is given it");
  EXPECT_NE(error_of("[function.f.allow]\nenv = [\"APP_API_TOKEN\"]\n"), "it was accepted");
}

TEST(ManifestGrants, GiveAVariableOnce) {
  EXPECT_EQ(error_of("[function.f.env]\nLANG = \"C\"\n[function.f.allow]\nenv = [\"LANG\"]\n"),
            "/m/trilby.toml:2: function.f: the variable LANG is given by env and by allow.env");
}

TEST(ManifestGrants, GiveSecretsByName) {
  const Manifest manifest =
      parse(
          "[function.f.allow]\nsecrets = [\"db-password\"]\n[secret.db-password]\nfile = \"password\"\n"
          "[secret.token]\nenv = \"TOKEN\"\n")
          .value();
  EXPECT_EQ(manifest.secrets[0].file, "/m/password");
  EXPECT_EQ(manifest.secrets[1].variable, "TOKEN");
  EXPECT_TRUE(manifest.functions[0].policy.grants.secrets.contains("db-password"));
  EXPECT_EQ(describe_grants(manifest.functions[0]), "secrets db-password");
}

TEST(ManifestGrants, RefuseSecretsThatAreNotThere) {
  EXPECT_EQ(error_of("[function.f.allow]\nsecrets = [\"db-pasword\"]\n[secret.db-password]\nenv = \"P\"\n"),
            "/m/trilby.toml:5: function.f.allow.secrets: secret \"db-pasword\" is not defined; did you mean "
            "\"db-password\"?");
  EXPECT_EQ(
      error_of("[function.f.allow]\nsecrets = [\"1a\"]\n[secret.1a]\nenv = \"P\"\n"),
      "/m/trilby.toml:5: function.f.allow.secrets: \"1a\" cannot be a variable's name; let it begin with a letter");
  const std::string one_of =
      "/m/trilby.toml:4: secret.s: names where its value is: file = \"PATH\" or env = \"NAME\", and one of them";
  EXPECT_EQ(error_of("[secret.s]\n"), one_of);
  EXPECT_EQ(error_of("[secret.s]\nfile = \"\"\n"), one_of);
  EXPECT_EQ(error_of("[secret.s]\nfile = \"a\"\nenv = \"A\"\n"), one_of);
  EXPECT_EQ(error_of("[secret.s]\nenv = \"A-B\"\n"),
            "/m/trilby.toml:5: secret.s.env: is no name of a variable, as in env = \"DB_PASSWORD\"");
  EXPECT_EQ(error_of("[secret.s]\nvalue = \"hunter2\"\n").find("hunter2"), std::string::npos);
}

TEST(ManifestGrants, GiveASecretAndAVariableNoOneName) {
  EXPECT_EQ(error_of("[function.f.env]\nDB_PASSWORD = \"x\"\n[function.f.allow]\nsecrets = [\"db-password\"]\n"
                     "[secret.db-password]\nenv = \"P\"\n"),
            "/m/trilby.toml:2: function.f: the variable DB_PASSWORD is given by env and by allow.secrets");
}

TEST(ManifestGrants, LeaveCgiItsVariables) {
  const std::string cgi = "output = \"cgi\"\n";
  EXPECT_EQ(error_of(cgi + "[function.f.env]\nPATH_INFO = \"/\"\n"),
            "/m/trilby.toml:2: function.f: the variable PATH_INFO of env is CGI's, which output = \"cgi\" gives");
  EXPECT_NE(error_of(cgi + "[function.f.allow]\nenv = [\"HTTP_PROXY\"]\n"), "it was accepted");
  EXPECT_EQ(error_of("[function.f.env]\nPATH_INFO = \"/\"\n"), "it was accepted");
}

TEST(ManifestGrants, GiveACoarseClockUnlessTheyNameAPreciseOne) {
  EXPECT_FALSE(parse("").value().functions[0].policy.grants.precise_clock);
  EXPECT_FALSE(parse("[function.f.allow]\nclock = \"coarse\"").value().functions[0].policy.grants.precise_clock);
  const Manifest precise = parse("[function.f.allow]\nclock = \"precise\"").value();
  EXPECT_TRUE(precise.functions[0].policy.grants.precise_clock);
  EXPECT_EQ(describe_grants(precise.functions[0]), "precise clock");
  EXPECT_EQ(error_of("[function.f.allow]\nclock = \"precis\""),
            "/m/trilby.toml:5: function.f.allow.clock: \"precis\" is none of \"coarse\" and \"precise\"; did you mean "
            "\"precise\"?");
}

TEST(ManifestGrants, MakeAFunctionReproducible) {
  EXPECT_FALSE(parse("").value().functions[0].policy.grants.reproducible);
  EXPECT_TRUE(parse("reproducible = true").value().functions[0].policy.grants.reproducible);
  EXPECT_EQ(error_of("reproducible = 1"),
            "/m/trilby.toml:4: function.f.reproducible: must be true or false, not a number");
  EXPECT_EQ(
      error_of("reproducible = true\n[function.f.allow]\nclock = \"precise\""),
      "/m/trilby.toml:6: function.f.allow.clock: with reproducible = true there is no precise clock: take one of them "
      "out");
}

TEST(ManifestGrants, GiveDirectoriesToReadUnlessTheySayMore) {
  const Manifest manifest = parse(R"([function.f.allow.directories]
"/data" = "data"
"/out" = { path = "../out", access = "read-write" }
"/" = { path = "/srv", access = "read-only" })")
                                .value();
  const auto& directories = manifest.functions[0].policy.grants.directories;
  ASSERT_EQ(directories.size(), 3U);
  EXPECT_EQ(directories[0].mount, "/data");
  EXPECT_EQ(directories[0].path, "/m/data");
  EXPECT_FALSE(directories[0].write);
  EXPECT_EQ(directories[1].path, "/out");
  EXPECT_TRUE(directories[1].write);
  EXPECT_FALSE(directories[2].write);
  EXPECT_EQ(describe_grants(manifest.functions[0]), "directories /data (read-only), /out (read-write), / (read-only)");
  std::vector<std::string> settings;
  for (const Setting& setting : settings_in_force(manifest)) {
    if (setting.name.find("directories") != std::string::npos) {
      settings.push_back(fmt::format("{} = {} from line {}", setting.name, setting.value, setting.stated.source.line));
    }
  }
  ASSERT_EQ(settings.size(), 3U);
  EXPECT_EQ(settings[0], "function.f.allow.directories./data = /m/data (read-only) from line 5");
  EXPECT_EQ(settings[1], "function.f.allow.directories./out = /out (read-write) from line 6");
}

TEST(ManifestGrants, NameEachDirectoryOfTheHostOnce) {
  const Manifest manifest = parse_manifest(R"(trilby = 1
[function.f]
module = "f.wasm"
allow.directories = { "/a" = "data", "/b" = "other" }
[function.g]
module = "f.wasm"
allow.directories = { "/c" = { path = "data", access = "read-write" } }
)",
                                           "/m/trilby.toml")
                                .value();
  const auto all = granted_directories(manifest);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].path, "/m/data");
  EXPECT_TRUE(all[0].write);
  EXPECT_FALSE(all[1].write);
}

TEST(ManifestGrants, RefuseDirectoriesThatAreNone) {
  const auto error = [](const std::string& line) { return error_of("[function.f.allow.directories]\n" + line + "\n"); };
  const std::string field = "/m/trilby.toml:5: function.f.allow.directories.";
  EXPECT_EQ(error("data = \"data\""),
            field + "data: where the function finds the folder must begin with '/' and have at most 255 bytes");
  EXPECT_EQ(error("\"/a/../b\" = \"data\""),
            field + "/a/../b: where the function finds the folder must not end in '/' or contain '//', '.' or '..'");
  EXPECT_NE(error("\"/a/\" = \"data\""), "it was accepted");
  EXPECT_NE(error("\"/a\\u0000\" = \"data\""), "it was accepted");
  EXPECT_NE(error("\"/" + std::string(255, 'a') + "\" = \"data\""), "it was accepted");
  EXPECT_EQ(error("\"/a\" = \"\""), field + "/a: is empty; give the folder, as in \"/data\" = \"data\"");
  EXPECT_EQ(error("\"/a\" = 1"), field + "/a: must be a text in quotes, not a number");
  EXPECT_EQ(error("\"/a\" = { access = \"read-only\" }"),
            field + "/a.path: is missing; give the folder, as in path = \"data\"");
  EXPECT_EQ(error("\"/a\" = { path = \"d\", access = \"write\" }"),
            field + "/a.access: \"write\" is none of \"read-only\" and \"read-write\"; known: read-only, read-write");
  EXPECT_EQ(error("\"/a\" = { path = \"d\", acces = \"read-only\" }"),
            field + "/a.acces: there is no such field; did you mean \"access\"?");
}

TEST(ManifestGrants, KnowTwoKindsOfOutput) {
  EXPECT_TRUE(parse("output = \"cgi\"").value().functions[0].cgi);
  EXPECT_FALSE(parse("output = \"body\"").value().functions[0].cgi);
  EXPECT_EQ(error_of("output = \"cgj\""),
            "/m/trilby.toml:4: function.f.output: \"cgj\" is none of \"body\" and \"cgi\"; did you mean \"cgi\"?");
  EXPECT_EQ(
      error_of("output = \"cgi\"\ncontent_type = \"text/plain\""),
      "/m/trilby.toml:5: function.f.content_type: with output = \"cgi\" the function says this itself: take it out");
}

}  // namespace
}  // namespace trilby::app
