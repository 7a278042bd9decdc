#include "wasm/engine.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <thread>

#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include "wasm/cpu_meter.h"

namespace trilby::wasm {
namespace {

using namespace std::chrono_literals;

TEST(Engine, RefusesSettingsThatWouldEndTheProcess) {
  for (const EngineSettings settings :
       {EngineSettings{Bytes{0}, 1}, EngineSettings{Bytes{2U << 30U}, 1}, EngineSettings{1_MiB, 0},
        EngineSettings{1_MiB, kMaxLiveCalls + 1}, EngineSettings{1_MiB, 1, 1'000'001},
        EngineSettings{1_MiB, 1, 0, 63_KiB}, EngineSettings{1_MiB, 1, 0, Bytes{(8U << 20U) + 1}}}) {
    const auto engine = Engine::create(settings);
    ASSERT_FALSE(engine);
    EXPECT_EQ(engine.error().reason, Reason::Manifest);
  }
}

TEST(Engine, TakesTheLargestSettings) {
  EXPECT_TRUE(Engine::create(
      {.max_memory = 1_GiB, .max_calls = kMaxLiveCalls, .max_table_elements = 1'000'000, .stack = 8_MiB}));
}

[[noreturn]] void create_with_limited_address_space() {
  rlimit limit{};
  limit.rlim_cur = 1UL << 46U;  // AddressSanitizer's shadow alone takes a quarter of it
  limit.rlim_max = RLIM_INFINITY;
  setrlimit(RLIMIT_AS, &limit);
  const auto engine = Engine::create({});
  std::fputs(engine ? "created" : engine.error().message.c_str(), stderr);
  std::_Exit(0);
}

TEST(EngineDeathTest, SaysThatTheAddressSpaceIsLimited) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // nothing forks after an engine existed
  EXPECT_EXIT(create_with_limited_address_space(), ::testing::ExitedWithCode(0), "ulimit -v unlimited");
}

TEST(Engine, GivesAsManyPlacesAsItWasMadeFor) {
  const auto engine = Engine::create({.max_memory = 1_MiB, .max_calls = 2}).value();
  Engine::Place first = engine->enter(true);
  const Engine::Place second = engine->enter(true);
  EXPECT_TRUE(first && second);
  EXPECT_FALSE(engine->enter(true));
  EXPECT_EQ(engine->live(), 2U);
  first = {};
  EXPECT_TRUE(engine->enter(true));
}

TEST(Engines, HaveOneForEachSizeOfStack) {
  const auto engines =
      Engines::create({{.max_memory = 1_MiB, .max_calls = 2}, {.max_memory = 1_MiB, .max_calls = 3, .stack = 1_MiB}})
          .value();
  EXPECT_EQ(engines.for_stack(512_KiB).settings().max_calls, 2U);
  EXPECT_EQ(engines.for_stack(1_MiB).settings().max_calls, 3U);
  EXPECT_NE(engines.for_stack(512_KiB).fingerprint(), engines.for_stack(1_MiB).fingerprint());
}

TEST(Engine, HasAFingerprintOfAllThatCompiledCodeRestsOn) {
  const auto engine = Engine::create({}).value();
  for (const char* part : {"wasmtime 48.", "cranelift", "epoch", "stack 512KiB"}) {
    EXPECT_NE(engine->fingerprint().find(part), std::string_view::npos) << part;
  }
}

Duration thread_cpu() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

/// Keeps the thread that makes it, and a rival that never rests, on one core.
struct SharedCore {
  SharedCore() {
    pthread_getaffinity_np(pthread_self(), sizeof all, &all);
    int core = 0;
    while (!CPU_ISSET(core, &all)) {
      ++core;
    }
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);
    rival = std::jthread([](const std::stop_token& stop) {  // inherits the core
      while (!stop.stop_requested()) {
      }
    });
  }
  ~SharedCore() { pthread_setaffinity_np(pthread_self(), sizeof all, &all); }
  SharedCore(const SharedCore&) = delete;
  SharedCore& operator=(const SharedCore&) = delete;
  cpu_set_t all{};
  std::jthread rival;
};

TEST(CpuMeter, DoesNotBillWhatOthersDidMeanwhile) {
  const SharedCore core;
  CpuMeter meter;
  Duration stolen{};
  for (int slices = 0; stolen < 50ms && slices < 100'000; ++slices) {
    const Duration before = thread_cpu();
    const auto start = Clock::now();
    meter.begin(start);
    const Duration inside = thread_cpu();
    while (Clock::now() - start < 3ms) {
    }
    const Duration at_least = thread_cpu() - inside;
    const auto end = Clock::now();
    const Duration billed = meter.used(start, end);
    const Duration at_most = thread_cpu() - before;
    ASSERT_GE(billed, at_least);
    ASSERT_LE(billed, at_most + kTick);
    stolen += std::max(end - start - at_most, Duration::zero());
  }
  EXPECT_GE(stolen, 50ms) << "the rival never had the core, so this shows nothing";
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
