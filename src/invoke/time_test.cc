// What guests see of time and chance.
#include <array>
#include <cstdint>
#include <cstring>

#include <gtest/gtest.h>

#include "invoke/test_calls.h"

namespace trilby::invoke {
namespace {

struct Seen {
  std::uint64_t resolution, time_of_day, monotonic, monotonic_again;
  std::array<std::uint64_t, 2> random;
  std::uint64_t after_waiting;
};
static_assert(sizeof(Seen) == 56);

Seen see(const policy::Grants& grants, std::chrono::nanoseconds wait) {
  const wasm::TestDirectory directory;
  FunctionSpec spec = spec_of("clock", directory.guest("clock"));
  spec.policy.grants = grants;
  const auto length = static_cast<std::uint64_t>(wait.count());
  std::string input(sizeof length, '\0');
  std::memcpy(input.data(), &length, sizeof length);
  Outcome outcome = run_once(prepare(std::move(spec), test_engine(), nullptr, nullptr).value(), test_call(input));
  EXPECT_EQ(outcome.reason, Reason::Ok) << outcome.message;
  const std::string output = read_body(outcome);
  Seen seen{};
  EXPECT_EQ(output.size(), sizeof seen);
  std::memcpy(&seen, output.data(), std::min(output.size(), sizeof seen));
  return seen;
}

TEST(Time, IsToldInMillisecondsUnlessAPreciseClockIsGranted) {
  const Seen coarse = see({}, 1ms);
  EXPECT_EQ(coarse.resolution, 1'000'000U);
  EXPECT_EQ(coarse.time_of_day % 1'000'000, 0U);
  EXPECT_EQ(coarse.monotonic % 1'000'000, 0U);
  EXPECT_EQ(coarse.after_waiting % 1'000'000, 0U);
  EXPECT_GE(coarse.after_waiting, coarse.monotonic_again);
  EXPECT_NE(coarse.random[0], coarse.random[1]);
  policy::Grants precise;
  precise.precise_clock = true;
  const Seen seen = see(precise, 1ms);
  EXPECT_EQ(seen.resolution, 1U);
  EXPECT_GE(seen.after_waiting, seen.monotonic_again + 1'000'000);
}

TEST(Time, AndChanceAreTheSameForEveryCallThatIsReproducible) {
  policy::Grants reproducible;
  reproducible.reproducible = true;
  const Seen first = see(reproducible, 1h);  // and nobody waits an hour
  const Seen second = see(reproducible, 1h);
  EXPECT_EQ(std::memcmp(&first, &second, sizeof first), 0);
  EXPECT_EQ(first.time_of_day, 946'684'800'000'000'000U);
  EXPECT_EQ(first.monotonic, 1'000'000U);
  EXPECT_EQ(first.monotonic_again, 2'000'000U);
  EXPECT_EQ(first.after_waiting, 3'000'000U + 3'600'000'000'000U);
  EXPECT_NE(first.random[0], first.random[1]);
  EXPECT_NE(first.random[0], see({}, 0ns).random[0]);
}

TEST(Time, DoesNotLetAReproducibleCallWaitForWhatNeverComes) {
  const wasm::TestDirectory directory;
  FunctionSpec spec = spec_of("sleep", directory.guest("sleep"));
  spec.policy.grants.reproducible = true;
  const auto function = prepare(std::move(spec), test_engine(), nullptr, nullptr).value();
  EXPECT_EQ(run_once(function, test_call(std::string(8, '\x7F'))).reason, Reason::LimitWall);
}

}  // namespace
}  // namespace trilby::invoke
