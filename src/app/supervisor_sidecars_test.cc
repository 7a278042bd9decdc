#include "app/supervisor_sidecars.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace trilby::app {
namespace {

using namespace std::chrono_literals;

Manifest parse(const std::string& text) {
  return parse_manifest("trilby = 1\n" + text, "t.toml").value();
}

/// A script in daprd's place, and sidecars of it. Time is what the test says.
class SidecarsTest : public testing::Test {
 protected:
  SidecarsTest() {
    std::string name = std::filesystem::temp_directory_path() / "sidecars-test-XXXXXX";
    folder_ = mkdtemp(name.data());
  }
  ~SidecarsTest() override {
    sidecars_.reset();
    std::filesystem::remove_all(folder_);
  }

  void use(const std::string& script) {
    const auto program = folder_ / "daprd";
    std::ofstream(program) << "#!/bin/sh\n" << script << "\n";
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    // Of its own for each process, and none that the system gives away.
    constexpr int kFirst = 20000;
    constexpr int kProcesses = 1000;
    first_ = static_cast<std::uint16_t>(kFirst + getpid() % kProcesses * 8);
    sidecars_.emplace(SidecarProgram{program, {}, first_});
  }

  /// As a start or a reload does.
  void set(const std::string& manifest) { sidecars_->set(sidecars_->plan(parse(manifest), {}).value(), now_); }

  /// Where sidecars are to be, counted from the first port: "a 0, b 1".
  [[nodiscard]] std::string places(const std::string& manifest) const {
    const auto plans = sidecars_->plan(parse(manifest), {});
    if (!plans) {
      return plans.error().message;
    }
    std::string out;
    for (const SidecarPlan& plan : *plans) {
      out += fmt::format("{}{} {}", out.empty() ? "" : ", ", plan.app, plan.http - first_);
    }
    return out;
  }

  /// Waits for the next one to end, and tells.
  void await_end(bool awaited = true) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, 0);
    ASSERT_GT(pid, 0) << "one runs";
    EXPECT_TRUE(sidecars_->on_exit(pid, status, now_, awaited));
  }

  /// Lets the time come at which the one that ended is started again, and waits for that to end as well.
  void await_replacement() {
    const auto due = sidecars_->due();
    ASSERT_TRUE(due) << "one is to be started";
    now_ = *due;
    sidecars_->advance(now_);
    await_end();
  }

  /// Waits until a script has written this file, and gives what is in it.
  [[nodiscard]] std::string await_file(const std::string& name) const {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!std::filesystem::exists(folder_ / name) && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(5ms);
    }
    std::ifstream file(folder_ / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  /// What two runs of a script with kTellsItsPort have said.
  void expect_same_port_twice() const {
    const std::string both = await_file("daprd.ports");
    const std::string first = both.substr(0, both.find('\n') + 1);
    EXPECT_FALSE(first.empty());
    EXPECT_EQ(both, first + first);
  }

  std::filesystem::path folder_;
  std::uint16_t first_ = 0;
  std::optional<Sidecars> sidecars_;
  Clock::time_point now_ = Clock::now();
};

const std::string kLives = "exec sleep 600";
const std::string kTellsItsPort =
    R"(while [ "$1" != --dapr-internal-grpc-port ]; do shift; done; echo "$2" >> "$0.ports"; )";
const std::string kA = "[app.a]\nport = 0\n";
const std::string kB = "[app.b]\nport = 0\n";
const std::string kC = "[app.c]\nport = 0\n";

TEST_F(SidecarsTest, HaveAPortEachWhereNobodySaysIt) {
  use(kLives);
  EXPECT_EQ(places(kA + kB + kC), "a 0, b 1, c 2");
  EXPECT_EQ(places(kA + kB + "sidecar = { timeout = '1s' }\n" + kC), "a 0, b 1, c 2");
  EXPECT_EQ(places(kA + fmt::format("sidecar = {{ http = {} }}\n", first_ + 1) + kB + kC), "a 1, b 0, c 2");
  EXPECT_EQ(places(kA + kB + fmt::format("sidecar = {{ http = {} }}\n", first_)), "a 1, b 0");
}

TEST_F(SidecarsTest, KeepTheirPortsWhereverOthersComeAndGo) {
  use(kLives);
  set(kA + kB);
  EXPECT_EQ(places(kB), "b 1");
  EXPECT_EQ(places(kC + kB + kA), "c 2, b 1, a 0");
  EXPECT_EQ(places(kA + kB + fmt::format("sidecar = {{ http = {} }}\n", first_ + 5)), "a 0, b 5");
  EXPECT_EQ(places(kA + "limits.queue = 7\n" + kB), "a 0, b 1");
}

TEST_F(SidecarsTest, KeepTheirPortsWhileTheyAreReplaced) {
  use(kLives);
  set(kA);
  set(kA + fmt::format("sidecar = {{ http = {} }}\n", first_ + 5));
  EXPECT_EQ(places(kA), "a 5");
}

TEST_F(SidecarsTest, AreToldWhatTheirAppSpeaks) {
  use(R"(echo "$@" > "$0.part"; mv "$0.part" "$0.told"; exec sleep 600)");
  set(kA + "protocol = 'grpc'\n");
  EXPECT_NE(await_file("daprd.told").find("--app-protocol grpc "), std::string::npos);
}

TEST_F(SidecarsTest, SpeakHttp2WithAppsThatTakeBoth) {
  use(R"(echo "$@" > "$0.part"; mv "$0.part" "$0.told"; exec sleep 600)");
  set(kA);
  EXPECT_NE(await_file("daprd.told").find("--app-protocol h2c "), std::string::npos);
}

TEST_F(SidecarsTest, AreWhereOtherSidecarsRememberThemAfterTheyDied) {
  use(kTellsItsPort + "kill -KILL $$");
  set(kA);
  await_end();
  await_replacement();
  expect_same_port_twice();
}

TEST_F(SidecarsTest, ThatWaitToBeStartedAgainAreNotLostWhenTheirSettingsChange) {
  use("exit 1");
  set(kA);
  await_end();
  set(kA + "sidecar = { max_body = '1MiB' }\n");
  ASSERT_FALSE(sidecars_->empty());
  await_end();
}

TEST_F(SidecarsTest, ThatWaitToBeStartedAgainAreWhereOthersRememberThemWhenTheirSettingsChange) {
  use(kTellsItsPort + "kill -KILL $$");
  set(kA);
  await_end();
  set(kA + "sidecar = { max_body = '1MiB' }\n");
  await_end();
  expect_same_port_twice();
  await_replacement();
}

TEST_F(SidecarsTest, AreReplacedWhenTheyWereToldSomethingElse) {
  const std::string topic = "[[app.a.topic]]\npubsub = 'p'\ntopic = 't'\nfunction = 'f'\n";
  const std::string function = "[function.f]\nmodule = 'f.wasm'\n";
  use(kLives);
  set(kA + function);
  set(kA + "[[app.a.route]]\npath = '/x'\nfunction = 'f'\n" + kB + function);
  int status = 0;
  EXPECT_EQ(waitpid(-1, &status, WNOHANG), 0) << "a route is nothing that it was told, nor is another app";
  set(kA + topic + kB + function);
  await_end(false);
  EXPECT_FALSE(sidecars_->failure());
  EXPECT_EQ(waitpid(-1, &status, WNOHANG), 0) << "another took its place, and that of the other app goes on";
  EXPECT_EQ(places(kA + topic + kB + function), "a 0, b 1");
  set(kA + topic + kB + function);
  EXPECT_EQ(waitpid(-1, &status, WNOHANG), 0) << "nothing has changed";
}

TEST_F(SidecarsTest, ThatAreGoneRunUntilTheyAreStopped) {
  use(R"(trap 'exit 0' TERM; touch "$0.ready"; while :; do sleep 0.01; done)");
  set(kA + kB);
  EXPECT_EQ(await_file("daprd.ready"), "");
  set(kA);
  int status = 0;
  EXPECT_EQ(waitpid(-1, &status, WNOHANG), 0) << "nobody has asked it to stop";
  EXPECT_EQ(places(kB), "b 1") << "it may come back";
  sidecars_->stop_gone(now_);
  await_end();
  EXPECT_FALSE(sidecars_->empty()) << "the other one";
  EXPECT_EQ(waitpid(-1, &status, WNOHANG), 0);
}

TEST_F(SidecarsTest, ThatAreGoneAreNotStartedAgain) {
  use("exit 1");
  set(kA);
  set("");
  await_end();
  EXPECT_TRUE(sidecars_->empty());
}

TEST_F(SidecarsTest, ThatEndByThemselvesAtOnceFail) {
  use("exit 1");
  set(kA);
  await_end(false);
  ASSERT_TRUE(sidecars_->failure());
  EXPECT_EQ(sidecars_->failure()->message, "the sidecar of a ended as soon as it was started: exit code 1");
}

TEST_F(SidecarsTest, ThatWereNeverReadyFailOnlyWhileTheyAreAwaited) {
  use("exit 1");
  set(kA);
  now_ += 20s;
  await_end(false);
  EXPECT_FALSE(sidecars_->failure()) << "what serves goes on";
  await_replacement();
  EXPECT_FALSE(sidecars_->failure());

  use("exit 1");
  set(kA);
  now_ += 20s;
  await_end(true);
  EXPECT_TRUE(sidecars_->failure());
}

TEST_F(SidecarsTest, ThatSomebodyEndsAreReplaced) {
  use("kill -KILL $$");
  set(kA);
  await_end();
  await_replacement();
  EXPECT_FALSE(sidecars_->failure());
}

}  // namespace
}  // namespace trilby::app
