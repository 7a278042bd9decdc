#include "app/environment.h"

#include <cstdlib>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "app/secrets.h"
#include "wasm/test_guests.h"

namespace trilby::app {
namespace {

using namespace std::string_literals;

const auto kAll = [](const Secret&) { return true; };

class Environments : public ::testing::Test {
 protected:
  void TearDown() override { ::unsetenv("TRILBY_TEST_VARIABLE"); }

  [[nodiscard]] Manifest manifest(const std::string& more) const {
    return parse_manifest("trilby = 1\n" + more, directory_.path() / "trilby.toml").value();
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(directory_.path() / name, std::ios::binary) << text;
  }
  /// What the secret of a file with `text` is, or what is wrong with it.
  [[nodiscard]] std::string secret_of(const std::string& text) const {
    write("secret", text);
    const auto secrets = Secrets::load(manifest("[secret.s]\nfile = \"secret\"\n"), kAll);
    if (!secrets) {
      return secrets.error().message.substr(secrets.error().message.find("trilby.toml:"));
    }
    const std::vector<char>* value = secrets->find("s");
    return {value->begin(), value->end()};
  }

  const wasm::TestDirectory directory_;
};

TEST_F(Environments, AreWhatIsSetAndWhatIsPassedAndWhatIsSecret) {
  ::setenv("TRILBY_TEST_VARIABLE", "passed", 1);
  write("password", "s3cret\n");
  const Manifest read = manifest(R"([function.f]
module = "f.wasm"
[function.f.env]
SET = "set"
[function.f.allow]
env = ["TRILBY_TEST_VARIABLE", "TRILBY_TEST_ABSENT"]
secrets = ["db-password"]
[secret.db-password]
file = "password"
[secret.other]
file = "password"
)");
  const Secrets secrets = Secrets::load(read, kAll).value();
  EXPECT_EQ(make_environment(read.functions[0], secrets).value().block(),
            "SET=set\0TRILBY_TEST_VARIABLE=passed\0DB_PASSWORD=s3cret\0"s);
}

TEST_F(Environments, ThatAreTooMuchAreRefusedAtStart) {
  write("large", std::string(32'768, 'x'));
  std::string text = "[function.f]\nmodule = \"f.wasm\"\n[function.f.allow]\nsecrets = [\"a\", \"b\", \"c\", \"d\"]\n";
  for (const char* name : {"a", "b", "c", "d"}) {
    text += "[secret."s + name + "]\nfile = \"large\"\n";
  }
  const Manifest read = manifest(text);
  const auto made = make_environment(read.functions[0], Secrets::load(read, kAll).value());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().message, "function f: the variable D: a guest may be given 256 variables of 128 KiB together");
}

TEST_F(Environments, SecretsLoseTheLineEndThatEditorsLeave) {
  EXPECT_EQ(secret_of("a"), "a");
  EXPECT_EQ(secret_of("a\n"), "a");
  EXPECT_EQ(secret_of("a\r\n"), "a");
  EXPECT_EQ(secret_of("a\n\n"), "a\n");
  EXPECT_EQ(secret_of(std::string(32'768, 'x') + "\r\n").size(), 32'768U);
}

TEST_F(Environments, SecretsThatCannotBeUsedAreNamedAndNotShown) {
  EXPECT_EQ(secret_of(""), "trilby.toml:2: secret.s: what it names is empty");
  EXPECT_EQ(secret_of("\n"), "trilby.toml:2: secret.s: what it names is empty");
  EXPECT_EQ(secret_of("hunter2\0"s), "trilby.toml:2: secret.s: what it names has a null character");
  EXPECT_EQ(secret_of(std::string(32'769, 'x')), "trilby.toml:2: secret.s: what it names has more than 32KiB");
  // NOLINTNEXTLINE(bugprone-string-constructor): it is meant to be large
  EXPECT_EQ(secret_of(std::string(10'000'000, 'x')), "trilby.toml:2: secret.s: what it names has more than 32KiB");
}

TEST_F(Environments, SecretsComeFromRegularFilesOnly) {
  const auto message = [&](const std::string& file) {
    return Secrets::load(manifest("[secret.s]\nfile = \"" + file + "\"\n"), kAll).error().message;
  };
  EXPECT_NE(message("absent").find("absent cannot be read: No such file"), std::string::npos);
  ASSERT_EQ(::mkfifo((directory_.path() / "pipe").c_str(), 0600), 0);
  EXPECT_NE(message("pipe").find("is no regular file"), std::string::npos);
  EXPECT_NE(message("/dev/zero").find("is no regular file"), std::string::npos);
  EXPECT_NE(message(".").find("is no regular file"), std::string::npos);
}

TEST_F(Environments, SecretsOfVariablesAreForgottenThere) {
  ::setenv("TRILBY_TEST_VARIABLE", "s3cret", 1);
  const Manifest read = manifest("[secret.s]\nenv = \"TRILBY_TEST_VARIABLE\"\n");
  const Secrets secrets = Secrets::load(read, kAll).value();
  forget_secret_variables(read);
  EXPECT_STREQ(std::getenv("TRILBY_TEST_VARIABLE"), "");
  EXPECT_EQ(std::string(secrets.find("s")->begin(), secrets.find("s")->end()), "s3cret");
  ::unsetenv("TRILBY_TEST_VARIABLE");
  EXPECT_NE(Secrets::load(read, kAll).error().message.find("the environment has no variable"), std::string::npos);
}

TEST_F(Environments, OnlyWantedSecretsAreRead) {
  write("a", "1");
  const Manifest read = manifest("[secret.a]\nfile = \"a\"\n[secret.b]\nfile = \"absent\"\n");
  const auto secrets = Secrets::load(read, [](const Secret& secret) { return secret.name == "a"; });
  ASSERT_TRUE(secrets);
  EXPECT_EQ(secrets->find("b"), nullptr);
}

}  // namespace
}  // namespace trilby::app
