#include "wasm/engine.h"

#include <cstdio>
#include <cstdlib>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "wasm/cpu_meter.h"

namespace trilby::wasm {
namespace {

using namespace std::chrono_literals;

TEST(Engine, RefusesSettingsThatWouldEndTheProcess) {
  for (const EngineSettings settings : {EngineSettings{Bytes{0}, 1}, EngineSettings{Bytes{2U << 30U}, 1},
                                        EngineSettings{1_MiB, 0}, EngineSettings{1_MiB, kMaxLiveCalls + 1}}) {
    const auto engine = Engine::create(settings);
    ASSERT_FALSE(engine);
    EXPECT_EQ(engine.error().reason, Reason::Manifest);
  }
}

TEST(Engine, TakesTheLargestSettings) {
  EXPECT_TRUE(Engine::create({.max_memory = 1_GiB, .max_calls = kMaxLiveCalls}));
}

[[noreturn]] void create_with_little_address_space() {
  rlimit limit{};
  limit.rlim_cur = 1UL << 36U;
  limit.rlim_max = RLIM_INFINITY;
  setrlimit(RLIMIT_AS, &limit);
  const auto engine = Engine::create({});
  std::fputs(engine ? "created" : engine.error().message.c_str(), stderr);
  std::_Exit(0);
}

TEST(EngineDeathTest, SaysThatTheAddressSpaceIsLimited) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // nothing forks after an engine existed
  EXPECT_EXIT(create_with_little_address_space(), ::testing::ExitedWithCode(0), "ulimit -v unlimited");
}

TEST(Engine, GivesAsManyPlacesAsItWasMadeFor) {
  const auto engine = Engine::create({.max_memory = 1_MiB, .max_calls = 2}).value();
  Engine::Place first = engine->enter();
  const Engine::Place second = engine->enter();
  EXPECT_TRUE(first && second);
  EXPECT_FALSE(engine->enter());
  EXPECT_EQ(engine->live(), 2U);
  first = {};
  EXPECT_TRUE(engine->enter());
}

TEST(Engine, HasAFingerprintOfAllThatCompiledCodeRestsOn) {
  const auto engine = Engine::create({}).value();
  for (const char* part : {"wasmtime 48.", "cranelift", "epoch", "stack 512KiB"}) {
    EXPECT_NE(engine->fingerprint().find(part), std::string_view::npos) << part;
  }
}

TEST(CpuMeter, TakesShortSlicesByTheWallAndLongOnesByTheThread) {
  CpuMeter meter;
  const auto now = Clock::now();
  meter.begin(now);
  EXPECT_EQ(meter.used(now, now + 900us), 900us);
  // An hour on the wall in which this thread did next to nothing.
  EXPECT_LT(meter.used(now, now + 1h), 1min);
}

}  // namespace
}  // namespace trilby::wasm
